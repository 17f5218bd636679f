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

from model.inference import WEIGHTS_FILE_NAME
from model.training.atomic_file import save_atomically, write_atomically
from model.training.config import Config
from model.training.distributed import ProcessGroup
from model.training.recipes import Recipe

METRICS_FILE_NAME = "metrics.csv"
EVENTS_FOLDER_NAME = "tensorboard"


@dataclass(frozen=True)
class EpochMetrics:
    """One row of ``metrics.csv``.

    Attributes:
        epoch: number of the epoch, from 1.
        learning_rate: learning rate of the last step of the epoch.
        training_loss: mean cross-entropy in nats, of augmented images.
        training_accuracy: share in [0, 1] of the augmented training images that were right.
        validation_loss: mean cross-entropy in nats; None where no images were held out.
        validation_accuracy: share in [0, 1] of the validation images that were right; None where
            no images were held out.
        seconds: time of the whole epoch, validation included.
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

    Args:
        device: The device.
        processes: The processes that train together, each of which sums up its own part.
        class_weights: Float ``(C,)``, factors of the losses of each class; None for 1.

    Attributes:
        sums: Float64 ``(2,)``, the loss and the right answers of this process.
        processes: The processes that train together.
    """

    def __init__(
        self, device: torch.device, processes: ProcessGroup, class_weights: Tensor | None = None
    ) -> None:
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)
        self.processes = processes
        self._class_weights = class_weights

    @torch.no_grad()
    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add some images: float32 logits ``(N, C)`` and int64 labels ``(N,)``."""
        self.sums[0] += cross_entropy(logits, labels, self._class_weights, reduction="sum")
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
        OSError: the file is missing.
        KeyError, TypeError, ValueError: the file is damaged.
    """
    history = []
    with (directory / METRICS_FILE_NAME).open(newline="") as stream:
        for row in csv.DictReader(stream):
            values: dict[str, Any] = {
                column.name: _parse(row[column.name], column.type)
                for column in fields(EpochMetrics)
            }
            history.append(EpochMetrics(**values))
    return history


def _parse(text: str, column_type: object) -> float | None:
    if column_type == float | None and not text:
        return None
    return int(text) if column_type is int else float(text)


def kept_epoch(history: Sequence[EpochMetrics], recipe: Recipe) -> int:
    """Return the epoch, from 1, whose weights are kept.

    It is the one with the least validation loss, or the last where the recipe says so, or where
    nothing was validated.
    """
    validated = [row for row in history if row.validation_loss is not None]
    choice = history[-1:] if recipe.keep_last else validated or history[-1:]
    return min(choice, key=lambda row: row.validation_loss or 0).epoch


def draw_curves(directory: Path, history: Sequence[EpochMetrics]) -> None:
    """Draw ``loss.png`` and ``accuracy.png`` of a run over its epochs, readable without colour.

    Raises:
        OSError: a file can't be written.
    """
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
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=150)
        write_atomically(directory / f"{metric}.png", png.getvalue())


class MetricsWriter:
    """Writes metrics and the best weights while a training runs.

    Args:
        run: the folder of the run.
        history: metrics of the epochs that the checkpoint holds; their files are written again, as
            the process may have been killed between the checkpoint and these files.
        best_weights: weights of the best of these epochs, by name; empty where there are none.
        config: the configuration of the run.

    Raises:
        OSError: the run can't be written.
    """

    def __init__(
        self,
        run: Path,
        history: Sequence[EpochMetrics],
        best_weights: dict[str, Tensor],
        config: Config,
    ) -> None:
        self._run = run
        self._epochs = config.epochs
        self._recipe = config.recipe
        self._write(history, best_weights)
        # Epochs after the checkpoint will be trained again, so their events are purged; the events
        # of the checkpoint's last epoch may be missing.
        self._events = SummaryWriter(str(run / EVENTS_FOLDER_NAME), purge_step=max(len(history), 1))
        if history:
            self._write_events(history[-1])

    def close(self) -> None:
        """Close the file of TensorBoard events."""
        self._events.close()

    def write_epoch(self, history: Sequence[EpochMetrics], best_weights: dict[str, Tensor]) -> None:
        """Write and print the last epoch of ``history``, and write the best weights of all.

        Raises:
            OSError: the run can't be written.
        """
        self._write(history, best_weights)
        self._write_events(history[-1])
        self._print(history)

    def _write(self, history: Sequence[EpochMetrics], best_weights: dict[str, Tensor]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [field.name for field in fields(EpochMetrics)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)
        write_atomically(self._run / METRICS_FILE_NAME, text.getvalue())
        if best_weights:
            save_atomically(self._run / WEIGHTS_FILE_NAME, best_weights)

    def _write_events(self, row: EpochMetrics) -> None:
        scalars = {
            "loss/training": row.training_loss,
            "loss/validation": row.validation_loss,
            "accuracy/training": row.training_accuracy,
            "accuracy/validation": row.validation_accuracy,
            "learning_rate": row.learning_rate,
            "seconds": row.seconds,
        }
        for name, value in scalars.items():
            if value is not None:
                self._events.add_scalar(name, value, row.epoch)
        self._events.flush()

    def _print(self, history: Sequence[EpochMetrics]) -> None:
        row = history[-1]
        line = (
            f"epoch {row.epoch:>3}/{self._epochs}  learning rate {row.learning_rate:.2e}  "
            f"training loss {row.training_loss:.4f} accuracy {row.training_accuracy:.2%}  "
        )
        if row.validation_accuracy is not None:
            line += (
                f"validation loss {row.validation_loss:.4f} accuracy "
                f"{row.validation_accuracy:.2%}  "
            )
            if not self._recipe.keep_last and kept_epoch(history, self._recipe) == row.epoch:
                line += "best so far  "
        print(f"{line}{row.seconds:.1f} s", flush=True)
