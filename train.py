"""Train the classifier and report how well it does.

    python train.py                    CIFAR-10, downloaded; 10 epochs at batch 64
    python train.py --data DIR         DIR/train/<class>/* and DIR/test/<class>/*
    python train.py --help             every option

Reads from top to bottom: the data, the net, the epochs, the report. Everything a run leaves lies in
``runs/<name>/``: ``config.json`` (the exact configuration), ``metrics.csv``, ``weights.pt`` and
``model_card.json`` (what ``python -m model.archive`` packs), curves, report, confusion matrix.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from model import model_card
from model.classifier import WEIGHTS_FILE_NAME, Classifier
from model.data import (
    DataError,
    Dataset,
    LabelledImages,
    load_cifar10,
    load_folders,
    split_validation,
)
from model.model_card import ModelCard
from model.options import chosen_recipe, parse_options
from model.precision import choose_precision
from model.recipes import Recipe
from model.reference_cnn import ReferenceCNN
from model.reports import (
    EpochMetrics,
    draw_curves,
    read_metrics,
    write_metrics,
    write_test_report,
)
from model.trainer import EVALUATION_BATCH_SIZE, Trainer


class RunError(ValueError):
    """A run can't be made as it was asked for; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parse_options(arguments)
    try:
        train(options)
    except (DataError, RunError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("train.py: interrupted; the run so far is kept, without a report", file=sys.stderr)
        return 130
    return 0


def train(options: argparse.Namespace) -> None:
    """Train as ``options`` say, from the data to the report."""
    refit_rates = adopt_settings(options) if options.refit else []
    recipe = chosen_recipe(options)
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    dataset = load_data(options.data)
    training, validation = hold_out(dataset.train, options.validation_images)
    run = create_run(options, recipe, precision)
    print(
        f"{run}: recipe {options.recipe}, {len(training):,} training and {len(validation):,} "
        f"validation images, {options.epochs} epochs at batch {options.batch_size} "
        f"on {device.type} in {precision}"
    )
    torch.manual_seed(options.seed)
    trainer = Trainer(recipe, len(dataset.class_names), device, precision)
    training, validation = training.to(device), validation.to(device)
    if refit_rates:
        history = refit_epochs(trainer, training, options.batch_size, refit_rates, run)
    else:
        history = fit_epochs(trainer, training, validation, options, run)
    report(run, history, dataset, options)


def adopt_settings(options: argparse.Namespace) -> list[float]:
    """Take the settings of the run that ``--refit`` names, and its data if none are given.

    Returns:
        The learning rates of its epochs up to the best.

    Raises:
        RunError: the run is not finished or is damaged.
    """
    try:
        configuration = json.loads((options.refit / "config.json").read_text())
        # Written at the very end: a run without it was interrupted.
        ModelCard.from_json((options.refit / model_card.FILE_NAME).read_text())
        history = read_metrics(options.refit)
        rates = [row.learning_rate for row in history[: best_epoch(history)]]
        for name in ("recipe", "batch_size", "seed", *Recipe.__dataclass_fields__):
            setattr(options, name, configuration[name])
        if options.data is None and configuration["data"]:
            options.data = Path(configuration["data"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"--refit: {options.refit} is no complete run ({error})") from error
    if not rates:
        raise RunError(f"--refit: {options.refit} is no complete run (it has no epochs)")
    options.epochs = len(rates)
    options.validation_images = 0
    return rates


def load_data(directory: Path | None) -> Dataset:
    """Load the folder-per-class tree, or CIFAR-10 where none is given; raises ``DataError``."""
    if directory is None:
        return load_cifar10(Path("data"))
    return load_folders(directory, ReferenceCNN.image_size)


def hold_out(
    images: LabelledImages, validation_images: int
) -> tuple[LabelledImages, LabelledImages]:
    """Split into training and validation images; raises ``DataError``."""
    if validation_images == 0:
        return images, images.subset(torch.empty(0, dtype=torch.int64))
    training, validation = split_validation(images.labels, validation_images)
    return images.subset(training), images.subset(validation)


def choose_device(requested: str) -> torch.device:
    """Resolve ``auto`` to the GPU where there is one.

    Raises:
        RunError: a GPU was asked for and there is none.
    """
    if requested == "cuda" and not torch.cuda.is_available():
        raise RunError("--device cuda: PyTorch finds no GPU here; take --device cpu")
    if requested == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(requested)


def create_run(options: argparse.Namespace, recipe: Recipe, precision: str) -> Path:
    """Make the run's folder with its ``config.json``; raises ``RunError`` where it can't."""
    name = options.name or f"{options.recipe}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    run: Path = options.runs / name
    configuration = {
        **{
            key: str(value) if isinstance(value, Path) else value
            for key, value in vars(options).items()
        },
        **asdict(recipe),
        "precision": precision,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
    }
    try:
        run.mkdir(parents=True)
        (run / "config.json").write_text(json.dumps(configuration, indent=2) + "\n")
    except FileExistsError:
        raise RunError(f"{run} exists already; choose another --name") from None
    except OSError as error:
        raise RunError(f"the run can't be written: {error}") from error
    return run


def fit_epochs(
    trainer: Trainer,
    training: LabelledImages,
    validation: LabelledImages,
    options: argparse.Namespace,
    run: Path,
) -> list[EpochMetrics]:
    """Train ``--epochs`` epochs and keep the weights of the best by validation loss."""
    history: list[EpochMetrics] = []
    plateau = ReduceLROnPlateau(
        trainer.optimizer,
        factor=trainer.recipe.plateau_factor,
        patience=trainer.recipe.plateau_patience,
        threshold=trainer.recipe.plateau_threshold,
    )
    for epoch in range(1, options.epochs + 1):
        started = time.monotonic()
        learning_rate = trainer.learning_rate
        description = f"epoch {epoch}/{options.epochs}"
        training_result = trainer.train_epoch(training, options.batch_size, description)
        validation_result = trainer.validate(validation)
        plateau.step(validation_result[0])
        seconds = round(time.monotonic() - started, 2)
        history.append(
            EpochMetrics(epoch, learning_rate, *training_result, *validation_result, seconds)
        )
        if best_epoch(history) == epoch:
            trainer.save_weights(run / WEIGHTS_FILE_NAME)
        write_metrics(run, history)
        print_epoch(history, options.epochs)
    return history


def refit_epochs(
    trainer: Trainer,
    training: LabelledImages,
    batch_size: int,
    learning_rates: Sequence[float],
    run: Path,
) -> list[EpochMetrics]:
    """Train one epoch with each learning rate and keep the last weights: nothing is held out."""
    history: list[EpochMetrics] = []
    for epoch, learning_rate in enumerate(learning_rates, start=1):
        started = time.monotonic()
        trainer.learning_rate = learning_rate
        description = f"epoch {epoch}/{len(learning_rates)}"
        loss, accuracy = trainer.train_epoch(training, batch_size, description)
        seconds = round(time.monotonic() - started, 2)
        history.append(EpochMetrics(epoch, learning_rate, loss, accuracy, None, None, seconds))
        write_metrics(run, history)
        print_epoch(history, len(learning_rates))
    trainer.save_weights(run / WEIGHTS_FILE_NAME)
    return history


def best_epoch(history: Sequence[EpochMetrics]) -> int:
    """The epoch, counted from 1, whose weights are kept: least validation loss, else the last."""
    losses = [row.validation_loss for row in history if row.validation_loss is not None]
    return losses.index(min(losses)) + 1 if losses else len(history)


def print_epoch(history: Sequence[EpochMetrics], epochs: int) -> None:
    """Print one line for the last epoch."""
    row = history[-1]
    validation = ""
    if row.validation_loss is not None and row.validation_accuracy is not None:
        best = "  best so far" if best_epoch(history) == row.epoch else ""
        validation = (
            f"  validation loss {row.validation_loss:.4f} accuracy {row.validation_accuracy:.2%}"
            f"{best}"
        )
    print(
        f"epoch {row.epoch:>3}/{epochs}  learning rate {row.learning_rate:.2e}  "
        f"training loss {row.training_loss:.4f} accuracy {row.training_accuracy:.2%}"
        f"{validation}  {row.seconds:.1f} s",
        flush=True,
    )


def report(
    run: Path,
    history: Sequence[EpochMetrics],
    dataset: Dataset,
    options: argparse.Namespace,
) -> None:
    """Write the model card, the curves and, unless told not to, the report on the test split."""
    kept = history[best_epoch(history) - 1]
    card = ModelCard(
        name=run.name,
        version="",
        architecture=ReferenceCNN.__name__,
        dropout=chosen_recipe(options).dropout,
        image_size=ReferenceCNN.image_size,
        class_names=dataset.class_names,
        data=dataset.source,
        training_images=len(dataset.train) - options.validation_images,
        validation_images=options.validation_images,
        recipe=options.recipe,
        epochs=kept.epoch,
        validation_accuracy=kept.validation_accuracy,
        test_accuracy=None,
        test_images=len(dataset.test),
        created=datetime.now(UTC).date().isoformat(),
    )
    card.save(run)
    draw_curves(run, history)
    if not options.no_test:
        accuracy, text = report_on_test_split(run, dataset)
        replace(card, test_accuracy=accuracy).save(run)
        print(f"\nTest split, weights of epoch {kept.epoch}: accuracy {accuracy:.2%}\n\n{text}")
    print(f"All of it is in {run}/. To serve it: python -m model.archive {run}")


def report_on_test_split(run: Path, dataset: Dataset) -> tuple[float, str]:
    """Classify the test images as the server will, and write the report; return it."""
    classifier = Classifier.load(run)
    probabilities = torch.cat(
        [
            classifier.probabilities(pixels)
            for pixels in dataset.test.pixels.split(EVALUATION_BATCH_SIZE)
        ]
    )
    predictions = probabilities.argmax(dim=1)
    return write_test_report(run, dataset.test.labels, predictions, dataset.class_names)


if __name__ == "__main__":
    sys.exit(main())
