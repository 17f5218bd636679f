"""Checkpoints: files from which a training continues as if nothing had happened."""

import hashlib
import io
import math
import pickle
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.distributed.checkpoint.stateful import Stateful
from torch.utils.tensorboard import SummaryWriter

from model.atomic_file import write_atomically
from model.data.dataset import LabelledImages
from model.inference import WEIGHTS_FILE_NAME
from model.training import RunError
from model.training.command import Stopped, StopSignals
from model.training.config import Config
from model.training.metrics import (
    EpochMetrics,
    EpochTotals,
    kept_epoch,
    print_last,
    write_metrics,
)

CHECKPOINT_FILE_NAME = "checkpoint.pt"
EVENTS_FOLDER_NAME = "tensorboard"
# Number of steps after which processes ask each other whether to save or to stop; it takes time.
STEPS_BETWEEN_AGREEMENTS = 10


class ResumableLoop:
    """Counts the steps and epochs of a training, and saves and restores it between any two steps.

    Entered, it lets no stop signal kill the process before everything is saved. Every process must
    make the same calls.

    Args:
        run: The folder of the run, whose configuration is ``config``.
        parts: All that the next step depends on, always in the same order.
        totals: The sums over the current epoch.
        images: The training and the validation images; a resumed run must have the same.

    Attributes:
        history: Metrics of the finished epochs.
        steps_done: Number of steps of the current epoch that are done.
    """

    def __init__(
        self,
        run: Path,
        config: Config,
        parts: Sequence[Stateful],
        totals: EpochTotals,
        images: tuple[LabelledImages, LabelledImages],
    ) -> None:
        self.history: list[EpochMetrics] = []
        self.steps_done = 0
        # Of the best epoch so far, by name; empty before the first one ends.
        self._best_weights: dict[str, Tensor] = {}
        self._run = run
        self._file = run / CHECKPOINT_FILE_NAME
        self._config = config
        self._parts = parts
        self._totals = totals
        self._training_images = len(images[0])
        self._data = _digest(images)
        self._processes = totals.processes
        self._signals = StopSignals()
        self._opened = ExitStack()
        self._saved_at = self._epoch_started = time.monotonic()

    def restore(self) -> None:
        """Return the training to the checkpoint of the run where there is one; nothing is written.

        Raises:
            RunError: The checkpoint is missing, damaged or of another training, the processes find
                different ones, or the run has more epochs than it is to have.
        """
        if self._file.exists():
            self._load()
            steps = f" and {self.steps_done:,} steps" if self.steps_done else ""
            print(f"resuming after epoch {len(self.history)}{steps}")
        elif (self._run / WEIGHTS_FILE_NAME).exists():
            raise RunError(f"{self._file} is missing, so the run can't be resumed; start a new one")
        position = f"{len(self.history)} {self.steps_done}"
        if self._processes.maximum(int(position != self._processes.broadcast(position))):
            raise RunError(
                "the processes find different checkpoints; give a --runs folder that all machines "
                "share"
            )
        if len(self.history) > self._config.epochs:
            raise RunError(
                f"--epochs {self._config.epochs}: {self._run} has {len(self.history)} epochs "
                "already; give at least as many"
            )

    def __enter__(self) -> Self:
        self._opened.enter_context(self._signals)
        if self._processes.is_first:
            # Epochs after the checkpoint will be trained again, so their events are purged. The
            # process may have been killed between the checkpoint and the other files.
            first = max(len(self.history), 1)
            self._events = SummaryWriter(str(self._run / EVENTS_FOLDER_NAME), purge_step=first)
            self._opened.callback(self._events.close)
            write_metrics(self._run, self.history, self._events)
        self._save()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def epochs_left(self) -> Iterator[int]:
        """Yield the number of each epoch, from 1, that is not done yet."""
        for epoch in range(len(self.history) + 1, self._config.epochs + 1):
            yield epoch
            self._stop_if_asked()

    def step_done(self) -> None:
        """Count a step; save where the last checkpoint is old, or where a signal asks to stop.

        Raises:
            Stopped: There was a signal, and the checkpoint is written.
            RunError: The loss is not finite.
            OSError: The checkpoint can't be written; the old one is still there.
        """
        self.steps_done += 1
        # All processes must save and stop at the same step.
        if self._processes.is_distributed and self.steps_done % STEPS_BETWEEN_AGREEMENTS:
            return
        if self._is_due():
            self._save()
        self._stop_if_asked()

    def epoch_done(
        self,
        learning_rate: float,
        validation_loss: float | None,
        validation_accuracy: float | None,
        weights: dict[str, Tensor],
    ) -> None:
        """End an epoch: save it, and write and print its metrics.

        ``weights``, by name, are those that were validated. The arguments before them are those of
        :class:`EpochMetrics`.

        Raises:
            RunError: The loss is not finite.
        """
        row = EpochMetrics(
            len(self.history) + 1,
            # To the digits that a float32 has.
            float(f"{learning_rate:.6g}"),
            *self._totals.means(self._training_images),
            validation_loss,
            validation_accuracy,
            seconds=round(time.monotonic() - self._epoch_started, 2),
        )
        self._require_finite(row.training_loss, row.validation_loss or 0.0)
        self.history.append(row)
        if kept_epoch(self.history, self._config.recipe) is row:
            self._best_weights = {name: value.cpu().clone() for name, value in weights.items()}
        self.steps_done = 0
        self._totals.sums.zero_()
        self._epoch_started = time.monotonic()
        # Short epochs take less time than to save them.
        if len(self.history) == self._config.epochs or self._is_due():
            self._save()
        if self._processes.is_first:
            write_metrics(self._run, self.history, self._events)
            print_last(self.history, self._config)

    def _is_due(self) -> bool:
        age = time.monotonic() - self._saved_at
        return self._processes.maximum(int(age >= self._config.checkpoint_seconds)) > 0

    def _stop_if_asked(self) -> None:
        signal_number = self._processes.maximum(self._signals.received)
        if signal_number:
            self._save()
            raise Stopped(signal_number)

    def _require_finite(self, *losses: float) -> None:
        if not all(map(math.isfinite, losses)):
            raise RunError(
                f"the loss is not finite any more in epoch {len(self.history) + 1}; start a new "
                f"run with a --learning-rate below {self._config.recipe.learning_rate:g}"
            )

    def _save(self) -> None:
        sums = self._totals.of_all_processes()
        self._require_finite(*sums.tolist())
        state = {
            "parts": [part.state_dict() for part in self._parts],
            "sums": sums,
            "history": [asdict(row) for row in self.history],
            "best_weights": self._best_weights,
            "steps_done": self.steps_done,
            "seconds": time.monotonic() - self._epoch_started,
            "data": self._data,
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state() if sums.is_cuda else None,
        }
        if self._processes.is_first:
            _write(self._file, state)
            if self._best_weights:
                _write(self._run / WEIGHTS_FILE_NAME, self._best_weights)
        self._saved_at = time.monotonic()

    def _load(self) -> None:
        try:
            # PyTorch does not compare the checksums that it writes.
            with zipfile.ZipFile(self._file) as records:
                if records.testzip():
                    raise ValueError("its checksum is wrong")
            state = torch.load(self._file, map_location=self._totals.sums.device, weights_only=True)
            if state["data"] == self._data:
                self._load_state_dict(state)
        except (
            *(OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, AttributeError),
            *(pickle.UnpicklingError, zipfile.BadZipFile, zlib.error),
        ) as error:
            raise RunError(
                f"{self._file} is damaged or of another version of this program "
                f"({type(error).__name__}), so the run can't be resumed; start a new one"
            ) from error
        if state["data"] != self._data:
            raise RunError(
                "the images are not those that this run began with; restore them, name their "
                "folder with --data, or start a new run"
            )

    def _load_state_dict(self, state: dict[str, Any]) -> None:
        for part, part_state in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(part_state)
        if self._processes.is_first:
            self._totals.sums.copy_(state["sums"])
        self.history = [EpochMetrics(**row) for row in state["history"]]
        self._best_weights = {name: value.cpu() for name, value in state["best_weights"].items()}
        self.steps_done = state["steps_done"]
        self._epoch_started = time.monotonic() - state["seconds"]
        torch.set_rng_state(state["random"].cpu())
        if self._totals.sums.is_cuda and state["random_gpu"] is not None:
            torch.cuda.set_rng_state(state["random_gpu"].cpu())


def _write(file: Path, tensors: dict[str, Any]) -> None:
    # torch.save doesn't write the file itself: its error on a full disk is not an OSError.
    serialised = io.BytesIO()
    torch.save(tensors, serialised)
    write_atomically(file, serialised.getvalue())


def _digest(splits: tuple[LabelledImages, ...]) -> str:
    digest = hashlib.sha256()
    for images in splits:
        digest.update(images.labels.cpu().numpy().data)
        for batch in images.batches():
            digest.update(batch.pixels.cpu().numpy().data)
    return digest.hexdigest()
