"""What a run shows while it goes on: a line an epoch, metrics.csv, TensorBoard events, curves."""

import time
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from model.atomic_file import save_atomically
from model.classifier import WEIGHTS_FILE_NAME
from model.reports import EpochMetrics, best_epoch, draw_curves, write_metrics

EVENTS_FOLDER_NAME = "tensorboard"
# Drawing takes half a second: no more than a small part of a short epoch.
REDRAW_SECONDS = 30.0


class Follower:
    """Writes what can be looked at while a training goes on.

    Args:
        run: the folder of the run.
        history: the epochs that are done already; their files are written anew, as a kill may have
            come between them and the checkpoint.
        best_weights: of these epochs.
        epochs: how many there are to be.

    Raises:
        OSError: the run can't be written.
    """

    def __init__(
        self,
        run: Path,
        history: Sequence[EpochMetrics],
        best_weights: dict[str, Tensor],
        epochs: int,
    ) -> None:
        self._run = run
        self._epochs = epochs
        self._drawn_at = -REDRAW_SECONDS
        self._write(history, best_weights)
        # Events of epochs that the checkpoint doesn't know will come again; those of the last one
        # that it knows may be missing.
        self._events = SummaryWriter(str(run / EVENTS_FOLDER_NAME), purge_step=max(len(history), 1))
        if history:
            self._write_events(history[-1])

    def close(self) -> None:
        """Finish the TensorBoard events."""
        self._events.close()

    def epoch_done(self, history: Sequence[EpochMetrics], best_weights: dict[str, Tensor]) -> None:
        """Write and print the last epoch of ``history``.

        Raises:
            OSError: it can't be written.
        """
        self._write(history, best_weights)
        self._write_events(history[-1])
        print_epoch(history, self._epochs)
        if time.monotonic() - self._drawn_at >= REDRAW_SECONDS:
            draw_curves(self._run, history)
            self._drawn_at = time.monotonic()

    def _write(self, history: Sequence[EpochMetrics], best_weights: dict[str, Tensor]) -> None:
        write_metrics(self._run, history)
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
