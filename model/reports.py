"""What a training leaves for people to read: reports, matrices, curves."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix
from torch import Tensor

from model.atomic_file import write_atomically
from model.confusion_figure import draw_confusion_matrix

METRICS_FILE_NAME = "metrics.csv"
TEST_FILES_FILE_NAME = "test_files.txt"
# The name of a folder may be bytes that are no UTF-8; they are kept as they are.
NAMES_ON_DISK = ("utf-8", "surrogateescape")


@dataclass(frozen=True)
class EpochMetrics:
    """One row of ``metrics.csv``.

    Losses are mean cross-entropies in nats (the training's with the recipe's label smoothing and
    augmentation), accuracies shares in [0, 1], seconds the whole epoch's. The validation's are
    None where no images were held out.
    """

    epoch: int
    learning_rate: float
    training_loss: float
    training_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


def write_test_files(directory: Path, files: Sequence[str]) -> None:
    """Write which files the test split is made of, one a line."""
    text = "".join(f"{_on_one_line(file)}\n" for file in files)
    write_atomically(directory / TEST_FILES_FILE_NAME, text)


def other_test_files(directory: Path, files: Sequence[str]) -> int:
    """Count the ``files`` that the test split of the run in ``directory`` did not hold.

    0 where nothing is known of it.
    """
    recorded = directory / TEST_FILES_FILE_NAME
    if not recorded.is_file():
        return 0
    return len(set(map(_on_one_line, files)) - set(recorded.read_text().splitlines()))


def _on_one_line(file: str) -> str:
    # Names of files may hold line breaks, and bytes that are no UTF-8.
    return ascii(file)[1:-1]


def write_metrics(directory: Path, history: Sequence[EpochMetrics]) -> None:
    """Write ``metrics.csv``, one row an epoch."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(EpochMetrics)])
    writer.writeheader()
    writer.writerows(asdict(row) for row in history)
    write_atomically(directory / METRICS_FILE_NAME, text.getvalue())


def read_metrics(directory: Path) -> list[EpochMetrics]:
    """Read what :func:`write_metrics` wrote.

    Raises:
        OSError: there is none.
        ValueError: it is damaged.
    """
    with (directory / METRICS_FILE_NAME).open(newline="") as stream:
        return [_parse_metrics(row) for row in csv.DictReader(stream)]


def best_epoch(history: Sequence[EpochMetrics]) -> int:
    """The epoch, counted from 1, whose weights are kept: least validation loss, else the last."""
    losses = [row.validation_loss for row in history if row.validation_loss is not None]
    return losses.index(min(losses)) + 1 if losses else len(history)


def _parse_metrics(row: dict[str, str]) -> EpochMetrics:
    def number_or_none(text: str) -> float | None:
        return float(text) if text else None

    return EpochMetrics(
        epoch=int(row["epoch"]),
        learning_rate=float(row["learning_rate"]),
        training_loss=float(row["training_loss"]),
        training_accuracy=float(row["training_accuracy"]),
        validation_loss=number_or_none(row["validation_loss"]),
        validation_accuracy=number_or_none(row["validation_accuracy"]),
        seconds=float(row["seconds"]),
    )


def draw_curves(directory: Path, history: Sequence[EpochMetrics]) -> None:
    """Draw ``loss.png`` and ``accuracy.png`` over the epochs, readable without colour."""
    for metric, unit in (("loss", "cross-entropy (nats)"), ("accuracy", "share of images")):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for split, style in (("training", "o--"), ("validation", "s-")):
            values = [getattr(row, f"{split}_{metric}") for row in history]
            if None not in values:
                epochs = [row.epoch for row in history]
                axes.plot(epochs, values, style, label=split, markersize=4)
        axes.set(xlabel="epoch", ylabel=f"{metric}: {unit}", title=metric.capitalize())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=150)
        write_atomically(directory / f"{metric}.png", drawn.getvalue())


def write_test_report(
    directory: Path,
    labels: Tensor,
    predictions: Tensor,
    class_names: Sequence[str],
    images: str = "test images",
) -> tuple[float, str]:
    """Write scikit-learn's classification report and the confusion matrix.

    Makes ``classification_report.txt`` and ``.json``, ``confusion_matrix.csv`` and ``.png``.

    Args:
        directory: where to.
        labels: int64 ``(N,)``, true class indices.
        predictions: int64 ``(N,)``, predicted class indices.
        class_names: by class index.
        images: which ones they are, for the title of the figure.

    Returns:
        The accuracy in [0, 1], and the report's text.
    """
    indices = list(range(len(class_names)))
    settings = {"labels": indices, "target_names": list(class_names), "zero_division": 0}
    text = str(classification_report(labels, predictions, digits=4, **settings))
    as_dict = classification_report(labels, predictions, output_dict=True, **settings)
    (directory / "classification_report.txt").write_text(text, *NAMES_ON_DISK)
    (directory / "classification_report.json").write_text(json.dumps(as_dict, indent=2) + "\n")
    matrix = confusion_matrix(labels, predictions, labels=indices)
    _write_confusion_matrix(directory / "confusion_matrix.csv", matrix, class_names)
    draw_confusion_matrix(directory / "confusion_matrix.png", matrix, class_names, images)
    return float(accuracy_score(labels, predictions)), text


def _write_confusion_matrix(file: Path, matrix: np.ndarray, class_names: Sequence[str]) -> None:
    encoding, errors = NAMES_ON_DISK
    with file.open("w", encoding=encoding, errors=errors, newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["true \\ predicted", *class_names])
        writer.writerows(
            [name, *row] for name, row in zip(class_names, matrix.tolist(), strict=True)
        )
