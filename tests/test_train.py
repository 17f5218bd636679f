"""The training command from end to end, on two classes that are easily told apart."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from model.classifier import Classifier
from model.data import LabelledImages
from model.options import create_parser, parse_options
from model.reports import read_metrics
from model.trainer import Trainer
from tests.training import arguments_for, run_train

MakeFolder = Callable[..., Path]


def test_a_run_leaves_everything_it_promises(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_image_folder()
    assert train.main(arguments_for(folder, "small")) == 0
    output = capsys.readouterr().out
    run = folder.parent / "runs" / "small"

    with (run / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["training_loss"]) < float(rows[0]["training_loss"])
    assert output.count("learning rate") == 3
    assert "accuracy 100.00%" in output

    report = json.loads((run / "classification_report.json").read_text())
    assert report["accuracy"] == 1.0
    assert report["snow"]["support"] == 12
    assert "precision" in (run / "classification_report.txt").read_text()
    matrix = (run / "confusion_matrix.csv").read_text().splitlines()
    assert list(csv.reader(matrix)) == [
        ["true \\ predicted", "night", "snow"],
        ["night", "12", "0"],
        ["snow", "0", "12"],
    ]
    assert "Best of 3 epochs" in output
    assert f"python -m model.archive {run}" in output
    for figure in ("loss.png", "accuracy.png", "confusion_matrix.png"):
        with Image.open(run / figure) as image:
            assert image.width > 400

    configuration = json.loads((run / "config.json").read_text())
    assert configuration["recipe"] == "reference"
    assert configuration["batch_size"] == 4
    assert configuration["dropout"] == 0.1
    assert configuration["torch"] == torch.__version__

    events = EventAccumulator(str(run / "tensorboard")).Reload()
    losses = {event.step: event.value for event in events.Scalars("loss/validation")}
    expected = {int(row["epoch"]): float(row["validation_loss"]) for row in rows}
    assert losses == pytest.approx(expected)


def test_the_kept_weights_are_those_of_the_least_validation_loss(
    make_image_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_image_folder()
    losses = iter([0.9, 0.2, 0.5])
    weights_by_epoch = []

    def validate(trainer: Trainer, _images: LabelledImages) -> tuple[float, float]:
        weights_by_epoch.append(trainer.net.output.weight.detach().clone())
        return next(losses), 0.5

    monkeypatch.setattr(Trainer, "validate", validate)
    assert train.main(arguments_for(folder, "best", "--average-decay", "0", "--no-test")) == 0
    run = folder.parent / "runs" / "best"
    saved = torch.load(run / "weights.pt", weights_only=True)["output.weight"]
    assert [torch.equal(saved, weights) for weights in weights_by_epoch] == [False, True, False]
    assert Classifier.load(run).card.epochs == 2


def test_no_test_leaves_the_test_split_alone(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder()
    train.main(arguments_for(folder, "blind", "--no-test"))
    run = folder.parent / "runs" / "blind"
    assert Classifier.load(run).card.test_accuracy is None
    assert not (run / "classification_report.txt").exists()


def refit_arguments(run: Path, name: str) -> list[str]:
    return ["--refit", str(run), "--runs", str(run.parent), "--name", name]


def test_a_refit_trains_on_every_image_with_the_learning_rates_of_its_run(
    make_image_folder: MakeFolder,
) -> None:
    folder = make_image_folder()
    plateau = ["--plateau-patience", "0", "--plateau-threshold", "0.9", "--epochs", "5"]
    assert train.main(arguments_for(folder, "first", *plateau)) == 0
    first, second = (folder.parent / "runs" / name for name in ("first", "second"))
    assert train.main(refit_arguments(first, "second")) == 0
    card = Classifier.load(second).card
    assert (card.training_images, card.validation_images) == (24, 0)
    assert card.validation_accuracy is None
    rates = [row.learning_rate for row in read_metrics(second)]
    assert len(set(rates)) > 1
    assert rates == [row.learning_rate for row in read_metrics(first)][: len(rates)]
    assert len(rates) == Classifier.load(first).card.epochs
    assert json.loads((second / "config.json").read_text())["validation_images"] == 0


@pytest.mark.parametrize("damage", ["unfinished", "no epochs", "no configuration"])
def test_a_refit_of_an_incomplete_run_is_refused(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    folder = make_image_folder()
    train.main(arguments_for(folder, "first", "--epochs", "1"))
    first = folder.parent / "runs" / "first"
    if damage == "unfinished":
        (first / "model_card.json").unlink()
    elif damage == "no epochs":
        (first / "metrics.csv").write_text("epoch,learning_rate\n")
    else:
        (first / "config.json").write_text("[]")
    capsys.readouterr()
    assert train.main(refit_arguments(first, "second")) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no complete run" in error


def test_a_plateau_of_the_validation_loss_reduces_the_learning_rate(
    make_image_folder: MakeFolder,
) -> None:
    folder = make_image_folder()
    plateau = ["--plateau-patience", "0", "--plateau-factor", "0.1", "--learning-rate", "0.5"]
    train.main(arguments_for(folder, "plateau", *plateau, "--epochs", "8"))
    with (folder.parent / "runs" / "plateau" / "metrics.csv").open() as stream:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(stream)]
    assert rates[0] == 0.5
    assert rates[-1] < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "--epochs"),
        (["--batch-size", "many"], "--batch-size"),
        (["--learning-rate", "nan"], "--learning-rate"),
        (["--learning-rate", "0"], "above 0"),
        (["--dropout", "1"], "below 1"),
        (["--recipe", "secret"], "--recipe"),
        (["--data", "/does/not/exist"], "no folder"),
        (["--refit", "/does/not/exist"], "no run"),
        (["--unknown"], "--unknown"),
        (["--resume", "/does/not/exist"], "no run"),
        (["--limit", "0"], "--limit"),
        (["--seed", "99999999999999999999"], "--seed"),
        (["--checkpoint-seconds", "-1"], "--checkpoint-seconds"),
    ],
)
def test_a_wrong_value_is_one_clear_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse_options(arguments)
    error = capsys.readouterr().err
    assert exit_.value.code == 2
    assert message in error
    assert error.count("\n") == 1


def test_data_that_cannot_be_used_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    result = run_train("--data", tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "no class folders" in result.stderr


def test_an_existing_run_is_never_overwritten(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder()
    (folder.parent / "runs" / "taken").mkdir(parents=True)
    result = run_train(*arguments_for(folder, "taken"))
    assert result.returncode == 2
    assert "exists already" in result.stderr


@pytest.mark.parametrize("flag", ["--resume", "--refit"])
def test_settings_that_an_earlier_run_decides_cannot_be_given_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SystemExit) as exit_:
        parse_options([flag, str(tmp_path), "--batch-size", "64"])
    assert exit_.value.code == 2
    assert "leave out --batch-size" in capsys.readouterr().err


def test_a_limit_trains_on_as_many_images_and_validates_on_all(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_image_folder()
    assert train.main(arguments_for(folder, "few", "--limit", "6")) == 0
    card = Classifier.load(folder.parent / "runs" / "few").card
    assert (card.training_images, card.validation_images, card.test_images) == (6, 4, 24)
    assert "6 training and 4 validation images" in capsys.readouterr().out


def test_a_limit_below_the_number_of_classes_is_refused(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(arguments_for(make_image_folder(), "few", "--limit", "1")) == 2
    assert "raise --limit" in capsys.readouterr().err


def test_a_tenth_of_the_training_images_is_held_out_unless_told_otherwise(
    make_image_folder: MakeFolder,
) -> None:
    folder = make_image_folder(images_per_class=30)
    arguments = ["--data", folder, "--runs", folder.parent / "runs", "--name", "a", "--epochs", 1]
    assert train.main(list(map(str, arguments))) == 0
    card = Classifier.load(folder.parent / "runs" / "a").card
    assert (card.training_images, card.validation_images) == (54, 6)


def test_a_dry_run_passes_one_batch_through_everything_up_to_the_archive(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_image_folder()
    runs = folder.parent / "runs"
    arguments = ["--data", folder, "--runs", runs, "--dry-run", "--batch-size", 64]
    assert train.main(list(map(str, arguments))) == 0
    assert "dry run went through everything" in capsys.readouterr().out
    (run,) = runs.iterdir()
    assert run.name.startswith("dry-run-")
    checkpoint = torch.load(run / "checkpoint.pt", weights_only=True)
    steps = checkpoint["trainer"]["optimizer"]["state"][0]["step"]
    assert steps == 1
    assert Classifier.load(run / "cifar10.mar").card.training_images == 64
    made = {path.name for path in run.iterdir()}
    assert {"confusion_matrix.png", "loss.png", "classification_report.txt", "tensorboard"} <= made


def test_help_explains_every_option() -> None:
    for action in create_parser()._actions:  # noqa: SLF001
        assert action.help is not None, action.option_strings
        assert len(action.help) > 12, action.option_strings


def test_help_gives_examples() -> None:
    result = run_train("--help")
    assert result.returncode == 0
    assert "examples:" in result.stdout
