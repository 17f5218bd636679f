"""The metrics of every epoch: metrics.csv, curves, TensorBoard events and a printed line."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.tensorboard import SummaryWriter

from model.atomic_file import write_atomically
from model.training.config import Config
from model.training.distributed import ProcessGroup
from model.training.recipes import Recipe

METRICS_FILE_NAME = "metrics.csv"


@dataclass(frozen=True)
class EpochMetrics:
    """One row of ``metrics.csv``: epochs count from 1, losses are means in nats.

    The training images are augmented ones. The learning rate is that of the last step, and the
    seconds include the validation, whose figures are None where no images were held out.
    """

    epoch: int
    learning_rate: float
    training_loss: float
    training_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


class EpochTotals:
    """The loss and the right answers of many images, summed up on the device that computes them.

    Attributes:
        sums: Float64 ``(2,)``, the loss and the right answers of this process.
        processes: The processes that train together, of which each sums up its own part.
        class_weights: Factors of the losses by class, float ``(C,)``; None for no factors.
    """

    def __init__(
        self, device: torch.device, processes: ProcessGroup, class_weights: Tensor | None
    ) -> None:
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)
        self.processes = processes
        self.class_weights = class_weights

    @torch.no_grad()
    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add some images: float32 logits ``(N, C)`` and int64 labels ``(N,)``."""
        self.sums[0] += cross_entropy(logits, labels, self.class_weights, reduction="sum")
        self.sums[1] += (logits.argmax(dim=1) == labels).sum()

    def means(self, images: int) -> tuple[float, float]:
        """Return the mean loss in nats and the accuracy in [0, 1] over a number of images.

        Every process must call this.
        """
        loss_sum, correct = self.of_all_processes().tolist()
        return loss_sum / images, correct / images

    def of_all_processes(self) -> Tensor:
        """Return the sums over all processes, float64 ``(2,)``; every process must call this."""
        return self.processes.sum(self.sums.clone())


def read_metrics(directory: Path) -> list[EpochMetrics]:
    """Read the ``metrics.csv`` of the run in ``directory``.

    Raises:
        OSError: The file is missing.
        KeyError, TypeError, ValueError: The file is damaged.
    """
    with (directory / METRICS_FILE_NAME).open(newline="") as stream:
        rows: list[dict[str, Any]] = [
            {name: float(text) if text else None for name, text in row.items()}
            for row in csv.DictReader(stream)
        ]
    return [EpochMetrics(**{**row, "epoch": int(row["epoch"])}) for row in rows]


def kept_epoch(history: Sequence[EpochMetrics], recipe: Recipe) -> EpochMetrics:
    """Return the metrics of the epoch whose weights are kept.

    It is the one with the least validation loss, or the last where the recipe says so, or where
    nothing was validated.
    """
    validated = [row for row in history if row.validation_loss is not None]
    choice = history[-1:] if recipe.keep_last else validated or history[-1:]
    return min(choice, key=lambda row: row.validation_loss or 0)


def draw_curves(directory: Path, history: Sequence[EpochMetrics]) -> None:
    """Draw ``loss.png`` and ``accuracy.png`` of a run over its epochs, readable without colour."""
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
        figure.savefig(directory / f"{metric}.png", dpi=150)


def write_metrics(run: Path, history: Sequence[EpochMetrics], events: SummaryWriter) -> None:
    """Write ``metrics.csv``, and TensorBoard's events of the last epoch."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(EpochMetrics)])
    writer.writeheader()
    writer.writerows(map(asdict, history))
    write_atomically(run / METRICS_FILE_NAME, text.getvalue())
    for row in history[-1:]:
        for name, value in asdict(row).items():
            if name != "epoch" and value is not None:
                events.add_scalar(name, value, row.epoch)
    events.flush()


def print_last(history: Sequence[EpochMetrics], config: Config) -> None:
    """Print a line about the last epoch."""
    row, recipe = history[-1], config.recipe
    parts = [
        f"epoch {row.epoch:>3}/{config.epochs}",
        f"learning rate {row.learning_rate:.2e}",
        f"training loss {row.training_loss:.4f} accuracy {row.training_accuracy:.2%}",
    ]
    if row.validation_accuracy is not None:
        accuracy = f"accuracy {row.validation_accuracy:.2%}"
        parts.append(f"validation loss {row.validation_loss:.4f} {accuracy}")
        if not recipe.keep_last and kept_epoch(history, recipe) is row:
            parts.append("best so far")
    print("  ".join([*parts, f"{row.seconds:.1f} s"]), flush=True)
