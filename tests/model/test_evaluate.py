"""The evaluation command from end to end, on two classes of which some pictures lie wrongly."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import train
from model.archive import make_archive
from model.classifier import Classifier, build_net
from model.evaluate import create_parser, default_output, main, write_predictions
from model.model_card import ModelCard
from tests.evaluations import make_evaluation
from tests.serving import PROJECT

MakeFolder = Callable[..., Path]
RESULTS = {
    "classification_report.json",
    "classification_report.txt",
    "confusion_matrix.csv",
    "confusion_matrix.html",
    "confusion_matrix.png",
    "predictions.csv",
}


@pytest.fixture
def folder(make_image_folder: MakeFolder) -> Path:
    """Pictures of which three of the test split lie in the wrong class."""
    pictures = make_image_folder()
    test = pictures / "test"
    for name in ("000.png", "001.png", "002.png"):
        (test / "night" / name).rename(test / "snow" / f"moved-{name}")
    return pictures


@pytest.fixture
def run(folder: Path) -> Path:
    options = ["--epochs", "3", "--batch-size", "4", "--validation-images", "4"]
    runs = folder.parent / "runs"
    arguments = ["--data", str(folder), *options, "--runs", str(runs), "--name", "small"]
    assert train.main(arguments) == 0
    return runs / "small"


def make_run(directory: Path, class_names: tuple[str, ...]) -> Path:
    """A run as it lies on disk, of random weights."""
    torch.manual_seed(0)
    directory.mkdir()
    net = build_net("ReferenceCNN", len(class_names), 0.1)
    torch.save(net.state_dict(), directory / "weights.pt")
    ModelCard(
        *(directory.name, "", "ReferenceCNN", 0.1, 32, class_names, "pictures", 24, 4),
        *("reference", 1, None, None, 24, "2026-11-22"),
    ).save(directory)
    return directory


def read_predictions(directory: Path) -> list[dict[str, str]]:
    with (directory / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def evaluate(model: Path, folder: Path, *more: object) -> int:
    return main([str(model), "--data", str(folder), *map(str, more)])


def test_the_report_is_the_one_that_the_training_wrote(run: Path, folder: Path) -> None:
    assert evaluate(run, folder) == 0
    for file in ("classification_report.txt", "classification_report.json", "confusion_matrix.csv"):
        assert (run / "evaluation" / file).read_bytes() == (run / file).read_bytes()
    assert {file.name for file in (run / "evaluation").iterdir()} == RESULTS


def test_what_is_printed_and_written_agrees_with_each_picture_by_itself(
    run: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert evaluate(run, folder) == 0
    output = capsys.readouterr().out
    rows = read_predictions(run / "evaluation")
    classifier = Classifier.load(run)
    assert [row["image"] for row in rows] == [
        str(file.relative_to(folder)) for file in sorted((folder / "test").glob("*/*"))
    ]
    right = 0
    for row in rows:
        answer = classifier.classify((folder / row["image"]).read_bytes())
        assert row["true class"] == Path(row["image"]).parent.name
        assert row["predicted class"] == answer["label"]
        assert float(row["confidence"]) == pytest.approx(answer["confidence"], abs=1e-4)
        right += answer["label"] == row["true class"]
    assert right == 21
    assert f"Accuracy {right / 24:.2%} of 24 images" in output
    assert (run / "classification_report.txt").read_text() in output
    assert output.splitlines()[-1] == str(run / "evaluation" / "confusion_matrix.html")


def test_classes_are_matched_by_name_and_need_not_all_be_there(folder: Path) -> None:
    run = make_run(folder.parent / "random", ("zebra", "snow", "night", "cat"))
    assert evaluate(run, folder) == 0
    classifier = Classifier.load(run)
    for row in read_predictions(run / "evaluation"):
        assert row["true class"] == Path(row["image"]).parent.name
        picture = (folder / row["image"]).read_bytes()
        assert row["predicted class"] == classifier.classify(picture)["label"]
    report = (run / "evaluation" / "classification_report.txt").read_text().split()
    assert [name for name in report if name in {"zebra", "snow", "night", "cat"}] == [
        *("zebra", "snow", "night", "cat")
    ]


def test_a_class_that_the_model_does_not_know_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(folder.parent / "random", ("night", "rain"))
    capsys.readouterr()
    assert evaluate(run, folder) == 2
    error = capsys.readouterr().err
    assert "does not know snow; it knows night, rain" in error
    assert error.count("\n") == 1
    assert not (run / "evaluation").exists()


def test_all_evaluates_every_picture(run: Path, folder: Path) -> None:
    assert evaluate(run, folder, "--split", "all") == 0
    rows = read_predictions(run / "evaluation")
    assert len(rows) == 48
    assert len({row["image"] for row in rows}) == 48
    matrix = (run / "evaluation" / "confusion_matrix.csv").read_text().splitlines()[1:]
    assert sum(int(count) for row in matrix for count in row.split(",")[1:]) == 48
    page = (run / "evaluation" / "confusion_matrix.html").read_text()
    assert "training and test images" in page


def test_pictures_that_were_no_test_images_when_the_run_was_trained_are_counted(
    run: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(run, folder) == 0
    assert "may have been trained on them" not in capsys.readouterr().err
    shutil.copy(folder / "train" / "snow" / "000.png", folder / "test" / "snow" / "new.png")
    assert evaluate(run, folder) == 0
    assert "1 of the 25 test images were not in the test split" in capsys.readouterr().err


def test_a_folder_of_test_images_alone_is_enough(run: Path, folder: Path) -> None:
    shutil.rmtree(folder / "train")
    assert evaluate(run, folder) == 0
    assert len(read_predictions(run / "evaluation")) == 24


def test_earlier_results_are_replaced_and_other_files_are_left_alone(
    run: Path, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "results"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    for name in RESULTS:
        (output / name).write_text("earlier")
    assert evaluate(run, folder, "--output", output) == 0
    assert (output / "notes.txt").read_text() == "mine"
    assert all((output / name).read_bytes() != b"earlier" for name in RESULTS)
    assert not (run / "evaluation").exists()


def test_the_results_for_an_archive_lie_in_the_current_folder_under_its_name(
    run: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = make_archive(run, tmp_path / "store", "weather", "3.1")
    monkeypatch.chdir(tmp_path)
    assert evaluate(archive, folder) == 0
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed == "evaluation/weather-3.1/confusion_matrix.html"
    assert "weather 3.1" in Path(printed).read_text()


def test_the_name_in_an_archive_does_not_choose_the_folder(folder: Path) -> None:
    card = Classifier.load(make_run(folder.parent / "random", ("night", "snow"))).card
    for name in ("../../elsewhere", "/etc", "..", "a\nb"):
        output = default_output(Path("weather.mar"), replace(card, name=name, version="1.0"))
        assert output.parent == Path("evaluation")
        assert output.name not in {"", "..", "."}
        assert "\n" not in output.name


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("no model", "no finished run and no archive"),
        ("damaged archive", "no finished run and no archive"),
        ("damaged weights", "no finished run and no archive"),
        ("no data", "is no folder"),
        ("empty data", "no class folders"),
        ("output is a file", "can't be written"),
        ("output below a file", "can't be written"),
        ("result is a folder", "can't be written"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_and_exit_code_2(
    folder: Path, problem: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = make_run(folder.parent / "random", ("night", "snow")), folder
    output = folder.parent / "output"
    if problem == "no model":
        model = folder.parent / "missing"
    elif problem == "damaged archive":
        archive = make_archive(model, folder.parent / "store", "weather", "1.0")
        content = bytearray(archive.read_bytes())
        content[200:-4000] = os.urandom(len(content) - 4200)
        archive.write_bytes(content)
        model = archive
    elif problem == "damaged weights":
        (model / "weights.pt").write_bytes(b"no weights")
    elif problem == "no data":
        data = folder.parent / "missing"
    elif problem == "empty data":
        data = folder.parent / "empty"
        data.mkdir()
    elif problem == "output is a file":
        output.write_text("a file in its place")
    elif problem == "output below a file":
        output.write_text("a file in its place")
        output /= "below"
    else:
        (output / "predictions.csv").mkdir(parents=True)
    capsys.readouterr()
    try:
        code: object = evaluate(model, data, "--output", output)
    except SystemExit as exit_:
        code = exit_.code
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1
    assert message in error


def test_it_runs_as_a_module_and_says_without_a_model_what_is_missing() -> None:
    command = [sys.executable, "-m", "model.evaluate"]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "MODEL" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_name_that_is_no_utf_8_is_kept_byte_by_byte(tmp_path: Path) -> None:
    names = [os.fsdecode(b"test/caf\xe9.png"), "test/猫.png"]
    evaluation = make_evaluation(["cat", "dog"], [(0, 0, 0.5), (1, 0, 0.25)], names)
    write_predictions(tmp_path / "predictions.csv", evaluation)
    lines = (tmp_path / "predictions.csv").read_bytes().splitlines()
    assert lines[1] == b"test/caf\xe9.png,cat,cat,0.500000"
    assert lines[2] == "test/猫.png,dog,cat,0.250000".encode()


def test_help_explains_every_option_and_gives_examples() -> None:
    parser = create_parser()
    assert "examples:" in parser.format_help()
    for action in parser._actions:  # noqa: SLF001
        assert action.help is not None, action.option_strings
        assert len(action.help) > 12, action.option_strings
