"""The training command from end to end, on two classes that are easily told apart."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.nn.functional import cross_entropy

import train
from model import evaluate
from model.archive import make_archive
from model.data.dataset import LabelledImages
from model.data.folders import load_folders
from model.data.splits import split_training_images
from model.inference.card import Band, ModelCard, Share, ValidationAnswers
from model.inference.classifier import Classifier
from model.networks.reference_cnn import ReferenceCNN
from model.training.metrics import EpochTotals, read_metrics
from model.training.recipes import RECIPES
from tests.helpers.pictures import SHIPPED_ARCHIVE, encode, make_gradient, write_image_folder
from tests.helpers.training import FinishedRun, arguments_for, train_once


@pytest.fixture(scope="module")
def plateau_run(pictures: Path) -> FinishedRun:
    """A run whose learning rate falls nearly every epoch, without a report."""
    with pytest.MonkeyPatch.context() as patch:
        change_recipe(patch, "tuned", plateau_patience=0, plateau_threshold=0.9)
        return train_once(pictures, "plateau", "--learning-rate", 2e-4, "--epochs", 5, "--no-test")


def change_recipe(patch: pytest.MonkeyPatch, name: str, **settings: float) -> None:
    patch.setitem(RECIPES, name, replace(RECIPES[name], **settings))  # type: ignore[arg-type]


def test_a_run_leaves_everything_it_promises(finished_run: FinishedRun) -> None:
    run, output = finished_run.path, finished_run.output
    with (run / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["training_loss"]) < float(rows[0]["training_loss"])
    assert output.count("learning rate") == 3
    assert "accuracy 87.50%" in output

    assert json.loads((run / "classification_report.json").read_text())["accuracy"] == 0.875
    assert "precision" in (run / "classification_report.txt").read_text()
    calibration = json.loads((run / "calibration.json").read_text())
    assert calibration["temperature"] == ModelCard.load(run).temperature != 1
    assert calibration["before"] != calibration["after"]
    assert (run / "reliability.png").read_bytes().startswith(b"\x89PNG")
    matrix = (run / "confusion_matrix.csv").read_text().splitlines()
    assert list(csv.reader(matrix)) == [
        ["true \\ predicted", "night", "snow"],
        ["night", "9", "0"],
        ["snow", "3", "12"],
    ]
    assert "Last of 3 epochs" in output
    assert f"python -m model.archive {run}" in output
    for figure in ("loss.png", "accuracy.png", "confusion_matrix.png"):
        with Image.open(run / figure) as image:
            assert image.width > 400

    configuration = json.loads((run / "config.json").read_text())
    assert configuration["recipe"]["dropout"] == 0.1
    assert configuration["environment"]["torch"] == torch.__version__

    events = EventAccumulator(str(run / "tensorboard")).Reload()
    losses = {event.step: event.value for event in events.Scalars("validation_loss")}
    expected = {int(row["epoch"]): float(row["validation_loss"]) for row in rows}
    assert losses == pytest.approx(expected)


def test_the_verdict_agrees_with_the_report_and_leads_to_the_mistakes(
    finished_run: FinishedRun,
) -> None:
    verdict = finished_run.output.partition("Right for ")[2].splitlines()
    assert verdict[0].startswith("21 of 24 test images: 87.5 %, or 69.0 % to 95.7 % of many more")
    assert verdict[1].startswith("Surely better than answering snow always (62.5 %). Too few")
    assert verdict[2] == "Most confused: snow taken for night 3 times of 15."
    assert verdict[3].startswith("No class is surely worse than the others")
    folder, page = finished_run.pictures, finished_run.path / "evaluation" / "confusion_matrix.html"
    command = f"python -m model.evaluate {finished_run.path} --data {folder}"
    assert f"  {command}   # its mistakes, on the page {page}\n" in finished_run.output


def test_the_kept_weights_are_those_of_the_least_validation_loss(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.9, 0.2, 0.5])
    weights_by_epoch = []

    def validate(
        network: ReferenceCNN, _images: LabelledImages, _totals: EpochTotals
    ) -> tuple[float, float]:
        weights_by_epoch.append(network.output.weight.detach().clone())
        return next(losses), 0.5

    monkeypatch.setattr(train, "validate", validate)
    monkeypatch.setattr("model.training.config.LEAST_VALIDATION_IMAGES", 1)
    change_recipe(monkeypatch, "tuned", average_decay=0)
    run = train_once(pictures, "best", "--no-test").path
    saved = torch.load(run / "weights.pt", weights_only=True)["output.weight"]
    assert [torch.equal(saved, weights) for weights in weights_by_epoch] == [False, True, False]
    assert ModelCard.load(run).epochs == 2


def test_a_plateau_of_the_validation_loss_reduces_the_learning_rate(
    plateau_run: FinishedRun,
) -> None:
    rates = [row.learning_rate for row in read_metrics(plateau_run.path)]
    ratios = {round(after / before, 6) for before, after in pairwise(rates)}
    assert {0.5} <= ratios <= {0.5, 1}


def refit_arguments(run: Path, name: str) -> list[str]:
    return ["--refit", str(run), "--runs", str(run.parent), "--name", name, "--no-test"]


def test_a_refit_trains_on_every_image_with_the_learning_rates_of_its_run_and_no_longer(
    plateau_run: FinishedRun,
) -> None:
    first = plateau_run.path
    second = first.with_name("refitted")
    before = ModelCard.load(first)
    before = replace(
        before,
        temperature=0.5,
        bands=(Band(0.0, 1.0, Share(30, 40, 0.6, 0.86)),),
        validation_answers=ValidationAnswers((0.25, 0.75), 0.9, None),
    )
    before.save(first)
    assert train.main(refit_arguments(first, "refitted")) == 0
    card = ModelCard.load(second)
    assert (card.training_images, card.validation_images) == (24, 0)
    assert card.validation_accuracy is None
    assert (card.temperature, card.bands) == (before.temperature, before.bands)
    assert card.validation_answers == before.validation_answers
    rates = [row.learning_rate for row in read_metrics(second)]
    assert len(set(rates)) > 1
    assert rates == [row.learning_rate for row in read_metrics(first)][: len(rates)]
    assert len(rates) == ModelCard.load(first).epochs
    assert card.test_accuracy is None
    assert not (second / "classification_report.txt").exists()
    assert train.main(["--resume", str(second), "--epochs", "99"]) == 2


def test_a_refit_of_an_incomplete_run_is_refused(
    plateau_run: FinishedRun, tmp_path: Path, error_line: Callable[[], str]
) -> None:
    first = plateau_run.copy(tmp_path)
    (first / "model_card.json").unlink()
    assert train.main(refit_arguments(first, "second")) == 2
    assert "not a complete run" in error_line()


def test_larger_pictures_show_what_is_lost_in_small_ones_up_to_the_archive(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    # Two by two, the pixels of the grid are grey, too.
    grid = np.indices((64, 64)).sum(axis=0)[..., None] % 2 * 80 - 40
    folder = tmp_path / "pictures"
    for name, pattern in {"grid": grid, "plain": 0 * grid}.items():
        (folder / name).mkdir(parents=True)
        for index in range(20):
            pixels = (128 + pattern + generator.integers(-25, 26, (64, 64, 3))).astype(np.uint8)
            (folder / name / f"{index}.png").write_bytes(encode(Image.fromarray(pixels)))
    run = train_once(folder, "large", "--recipe", "fine-tuned", "--image-size", 64).path
    archive = make_archive(run, tmp_path)
    assert ModelCard.load(archive).image_size == 64
    assert Classifier.load(archive).prepare(encode(make_gradient())).pixels.shape == (64, 96, 3)
    arguments = ["--data", folder, "--output", tmp_path / "evaluation"]
    assert evaluate.main([str(archive), *map(str, arguments)]) == 0
    scores = json.loads((tmp_path / "evaluation" / "classification_report.json").read_text())
    assert scores["accuracy"] == 1


def test_a_start_that_cannot_be_used_is_one_line(
    pictures: Path, error_line: Callable[[], str]
) -> None:
    arguments = arguments_for(pictures, "start", "--recipe", "fine-tuned")
    for start, message in ((SHIPPED_ARCHIVE, "has a ReferenceCNN"), (pictures, "model_card.json")):
        assert train.main([*arguments, "--start-from", str(start)]) == 2
        error = error_line()
        assert f"--start-from: {start} " in error
        assert message in error


def test_data_that_cannot_be_used_is_one_line_before_anything_is_made(
    tmp_path: Path, error_line: Callable[[], str]
) -> None:
    assert train.main(["--data", str(tmp_path), "--runs", str(tmp_path / "runs")]) == 2
    assert "no class folders" in error_line()
    assert not (tmp_path / "runs").exists()


def test_unnamed_runs_that_start_in_the_same_second_get_folders_of_their_own(
    pictures: Path, tmp_path: Path
) -> None:
    # The name comes from when this process began, which is the same for both.
    for _ in range(2):
        arguments = ["--data", pictures, "--runs", tmp_path, "--epochs", 1, "--no-test"]
        assert train.main([*map(str, arguments), "--from-scratch"]) == 0
    first, second = sorted(tmp_path.iterdir())
    assert second.name == f"{first.name}-2"


def test_a_step_is_the_textbook_one_without_augmentation_and_dropout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_image_folder(tmp_path / "mirrored")
    for file in folder.rglob("*.png"):
        # Mirroring changes nothing in these.
        half = Image.open(file).crop((0, 0, 16, 32))
        whole = Image.new("RGB", (32, 32))
        whole.paste(half, (0, 0))
        whole.paste(half.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (16, 0))
        whole.save(file)
    change_recipe(monkeypatch, "original", rotated=0, translate=0)
    plain = ["--recipe", "original", "--dropout", 0, "--label-smoothing", 0.1]
    exact = ["--epochs", 1, "--precision", "fp32", "--no-test"]
    run = train_once(folder, "plain", *exact, *plain).path

    data = load_folders(folder, 32)
    chosen, _ = split_training_images(data["train"].labels, data["train"].class_names, 4, None)
    images = data["train"].subset(chosen)
    torch.manual_seed(0)
    network = ReferenceCNN(2, 0.0)
    others = [value for name, value in network.named_parameters() if name != "dense.weight"]
    recipe = RECIPES["original"]
    optimizer = torch.optim.Adam([{"params": others}], lr=recipe.learning_rate, eps=1e-7)
    optimizer.add_param_group(
        {"params": [network.dense.weight], "weight_decay": recipe.weight_decay}
    )
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    for indices in order.split(4):
        batch = images.subset(indices)
        optimizer.zero_grad()
        logits = network(batch.pixels / 255)
        cross_entropy(logits, batch.labels, label_smoothing=0.1).backward()
        optimizer.step()
    trained = torch.load(run / "weights.pt", weights_only=True)
    for name, expected in network.state_dict().items():
        torch.testing.assert_close(trained[name], expected, atol=1e-4, rtol=1e-3)


def test_an_existing_run_is_never_overwritten(
    finished_run: FinishedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.read_bytes() for file in finished_run.path.rglob("*") if file.is_file()}
    assert train.main(arguments_for(finished_run.pictures, finished_run.path.name)) == 2
    assert "exists already" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in before} == before


def test_a_limit_trains_on_as_many_images_and_a_tenth_of_all_is_held_out(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = pictures.parent / "runs"
    arguments = ["--data", pictures, "--runs", runs, "--name", "few", "--epochs", 1, "--no-test"]
    assert train.main([*map(str, arguments), "--limit", "6", "--from-scratch"]) == 0
    card = ModelCard.load(runs / "few")
    assert (card.training_images, card.validation_images, card.test_images) == (6, 2, 24)
    assert "6 training and 2 validation images" in capsys.readouterr().out


def test_a_dry_run_passes_one_batch_through_everything_up_to_the_archive(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", pictures, "--runs", tmp_path, "--dry-run", "--from-scratch"]
    assert train.main(list(map(str, arguments))) == 0
    assert "dry run went through everything" in capsys.readouterr().out
    (run,) = tmp_path.iterdir()
    assert run.name.startswith("dry-run-")
    checkpoint = torch.load(run / "checkpoint.pt", weights_only=True)
    steps = checkpoint["parts"][2]["state"][0]["step"]
    assert steps == 1
    made = {path.name for path in run.iterdir()}
    assert {"confusion_matrix.png", "loss.png", "classification_report.txt", "tensorboard"} <= made
    assert f"{run.name}.mar" in made
    assert ModelCard.load(run).training_images == 11
