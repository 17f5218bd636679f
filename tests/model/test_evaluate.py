"""The evaluation command from end to end, on two classes of which some pictures lie wrongly."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.archive import make_archive
from model.data.dataset import LabelledImages
from model.evaluate import default_output, main, write_predictions
from model.export.graph import export_run
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from model.networks import build_network
from tests.helpers.evaluations import make_evaluation
from tests.helpers.pictures import SHIPPED_ARCHIVE, SHIPPED_ARCHIVES
from tests.helpers.training import FinishedRun, train_once

RESULTS = {
    "calibration.json",
    "reliability.png",
    "classification_report.json",
    "classification_report.txt",
    "confusion_matrix.csv",
    "confusion_matrix.html",
    "confusion_matrix.png",
    "predictions.csv",
    "strangers.json",
}


@pytest.fixture
def run(finished_run: FinishedRun, tmp_path: Path) -> Path:
    """A run of the test's own; of its test pictures, three lie in the wrong class."""
    return finished_run.copy(tmp_path)


def read_predictions(directory: Path) -> list[dict[str, str]]:
    with (directory / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def evaluate(model: Path, folder: Path, *more: object) -> int:
    return main([str(model), "--data", str(folder), *map(str, more)])


def test_the_report_is_the_one_that_the_training_wrote(run: Path, pictures: Path) -> None:
    assert evaluate(run, pictures) == 0
    for file in ("classification_report.txt", "classification_report.json", "confusion_matrix.csv"):
        assert (run / "evaluation" / file).read_bytes() == (run / file).read_bytes()
    assert {file.name for file in (run / "evaluation").iterdir()} == RESULTS


def test_what_is_printed_and_written_agrees_with_each_picture_by_itself(
    run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(run, pictures) == 0
    output = capsys.readouterr().out
    rows = read_predictions(run / "evaluation")
    classifier = Classifier.load(run)
    assert [row["image"] for row in rows] == [
        str(file.relative_to(pictures)) for file in sorted((pictures / "test").glob("*/*"))
    ]
    for row in rows:
        answer = classifier.classify((pictures / row["image"]).read_bytes())
        assert row["true class"] == Path(row["image"]).parent.name
        assert row["predicted class"] == answer["label"]
        assert float(row["confidence"]) == pytest.approx(answer["confidence"], abs=1e-4)
    assert sum(row["true class"] == row["predicted class"] for row in rows) == 21
    assert "Right for 21 of 24 images (folder pictures, test images): 87.5 %" in output
    assert (run / "classification_report.txt").read_text() in output
    assert output.splitlines()[-1] == str(run / "evaluation" / "confusion_matrix.html")


def test_classes_are_matched_by_name_and_need_not_all_be_there(
    pictures: Path, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "random", ("zebra", "snow", "night", "cat"))
    assert evaluate(run, pictures) == 0
    classifier = Classifier.load(run)
    rows = read_predictions(run / "evaluation")
    for row in rows:
        assert row["true class"] == Path(row["image"]).parent.name
        picture = (pictures / row["image"]).read_bytes()
        assert row["predicted class"] == classifier.classify(picture)["label"]
    report = json.loads((run / "evaluation" / "classification_report.json").read_text())
    assert report["classes"].keys() == {"night", "snow"}
    assert report["macro avg"]["support"] == len(rows)


@pytest.mark.parametrize("layout", ["", "train", "test"])
def test_a_single_picture_of_a_single_class_is_enough(
    weather_archive: Path, tmp_path: Path, png: bytes, layout: str
) -> None:
    (tmp_path / "few" / layout / "snow").mkdir(parents=True)
    (tmp_path / "few" / layout / "snow" / "mine.png").write_bytes(png)
    assert evaluate(weather_archive, tmp_path / "few", "--output", tmp_path) == 0
    [row] = read_predictions(tmp_path)
    assert row["image"] == str(Path(layout, "snow", "mine.png"))
    assert row["true class"] == "snow"


def test_a_wide_picture_is_evaluated_as_it_is_served(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "few" / "cat").mkdir(parents=True)
    (tmp_path / "few" / "cat" / "wide.png").write_bytes(png)
    archive = SHIPPED_ARCHIVES[-1]
    assert evaluate(archive, tmp_path / "few", "--output", tmp_path) == 0
    [row] = read_predictions(tmp_path)
    confidence = Classifier.load(archive).classify(png)["confidence"]
    assert float(row["confidence"]) == pytest.approx(confidence, abs=1e-6)


def test_without_a_test_folder_a_run_is_tested_with_its_own_split_and_an_archive_with_all(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(pictures / "train", folder)
    run = train_once(folder, "split").path
    test_files = (run / "test_files.txt").read_text().splitlines()
    assert 0 < len(test_files) < 24
    (folder / "snow" / "999.png").write_bytes((folder / "snow" / "000.png").read_bytes())
    assert evaluate(run, folder) == 0
    assert [row["image"] for row in read_predictions(run / "evaluation")] == test_files
    assert "of its 25 images are the test split of" in capsys.readouterr().out
    archive = make_archive(run, tmp_path)
    assert evaluate(archive, folder, "--output", tmp_path) == 0
    assert len(read_predictions(tmp_path)) == 25
    assert "evaluate that instead" in capsys.readouterr().err


def make_run(directory: Path, class_names: tuple[str, ...]) -> Path:
    """A run of random weights."""
    torch.manual_seed(0)
    directory.mkdir()
    net = build_network("ReferenceCNN", len(class_names), 0.1)
    torch.save(net.state_dict(), directory / "weights.pt")
    card = Classifier.load(SHIPPED_ARCHIVE).card
    card = replace(card, dropout=0.1, class_names=class_names)
    card.save(directory)
    pixels = torch.randint(256, (len(class_names), 3, 32, 32), dtype=torch.uint8)
    export_run(directory, card, LabelledImages(pixels, torch.arange(len(class_names))))
    return directory


def test_a_class_that_the_model_does_not_know_is_named(
    pictures: Path, tmp_path: Path, error_line: Callable[[], str]
) -> None:
    assert evaluate(SHIPPED_ARCHIVE, pictures, "--output", tmp_path / "evaluation") == 2
    assert "does not know night, snow; it knows airplane, automobile" in error_line()
    assert not (tmp_path / "evaluation").exists()


def test_all_evaluates_every_picture(run: Path, pictures: Path) -> None:
    assert evaluate(run, pictures, "--split", "all") == 0
    rows = read_predictions(run / "evaluation")
    assert len(rows) == 48
    assert len({row["image"] for row in rows}) == 48
    matrix = (run / "evaluation" / "confusion_matrix.csv").read_text().splitlines()[1:]
    assert sum(int(count) for row in matrix for count in row.split(",")[1:]) == 48
    page = (run / "evaluation" / "confusion_matrix.html").read_text()
    assert "all images" in page


def test_pictures_that_were_not_test_images_when_the_run_was_trained_are_counted(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(run, pictures) == 0
    assert "may have been trained on them" not in capsys.readouterr().err
    # A folder of test images alone is enough.
    changed = tmp_path / "changed"
    shutil.copytree(pictures / "test", changed / "test")
    shutil.copy(pictures / "train" / "snow" / "000.png", changed / "test" / "snow" / "new.png")
    assert evaluate(run, changed) == 0
    assert "1 of the 25 images were not in the test split" in capsys.readouterr().err
    assert len(read_predictions(run / "evaluation")) == 25


def test_the_results_for_an_archive_lie_in_the_current_folder_under_its_name(
    weather_archive: Path,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert evaluate(weather_archive, pictures) == 0
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed == "evaluation/weather-3.1/confusion_matrix.html"
    assert "weather 3.1" in Path(printed).read_text()


def test_the_name_in_an_archive_does_not_choose_the_folder() -> None:
    card = Classifier.load(SHIPPED_ARCHIVE).card
    for name in ("../../elsewhere", "/etc", "..", "a\nb"):
        output = default_output(Path("weather.mar"), replace(card, name=name, version=""))
        assert output.parent == Path("evaluation")
        assert output.name not in {"", "..", "."}
        assert "\n" not in output.name


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("missing pictures output", "not a finished run or an archive"),
        ("run empty output", "no class folders"),
        ("run pictures file/below", "can't be written"),
        ("run pictures has", "can't be written"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_and_exit_code_2(
    run: Path, pictures: Path, error_line: Callable[[], str], names: str, message: str
) -> None:
    folder = run.parent
    model, data, output = (folder / name for name in names.split())
    run.rename(folder / "run")
    (folder / "pictures").symlink_to(pictures)
    (folder / "empty").mkdir()
    (folder / "file").write_text("a file in its place")
    (folder / "has" / "predictions.csv").mkdir(parents=True)
    assert evaluate(model, data, "--output", output) == 2
    assert message in error_line()


def test_a_folder_that_is_missing_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for folders in (["missing"], [".", "--strangers", "missing"]):
        with pytest.raises(SystemExit, match="2"):
            evaluate(SHIPPED_ARCHIVE, tmp_path / folders[0], *folders[1:])
        assert "missing is not a folder (see --help)\n" in capsys.readouterr().err


def test_strangers_of_a_folder_are_looked_for_as_those_that_are_drawn(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "random", ("snow", "night"))
    card = ModelCard.load(run)
    replace(card, ood_threshold=0.5).save(run)
    assert evaluate(run, pictures, "--strangers", pictures / "test" / "snow") == 0
    rows = json.loads((run / "evaluation" / "strangers.json").read_text())
    assert [row["kind"] for row in rows][-2:] == ["snow", "test images"]
    assert rows[-2]["noticed"]["of"] == 15
    assert "snow" in capsys.readouterr().out


def test_a_file_name_that_is_not_utf_8_is_kept_byte_by_byte(tmp_path: Path) -> None:
    names = [os.fsdecode(b"test/caf\xe9.png"), "test/猫.png"]
    evaluation = make_evaluation(["cat", "dog"], [(0, 0, 0.5), (1, 0, 0.25)], names)
    write_predictions(tmp_path / "predictions.csv", evaluation)
    lines = (tmp_path / "predictions.csv").read_bytes().splitlines()
    assert lines[1] == b"test/caf\xe9.png,cat,cat,0.500000"
    assert lines[2] == "test/猫.png,dog,cat,0.250000".encode()
