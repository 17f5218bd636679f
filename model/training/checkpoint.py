"""Checkpoints: files from which a training continues as if nothing had happened."""

import hashlib
import pickle
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.data.dataset import LabelledImages
from model.training import RunError
from model.training.atomic_file import save_atomically
from model.training.metrics import EpochMetrics
from model.training.stop_signals import Stopped, StopSignals
from model.training.trainer import Trainer

CHECKPOINT_FILE_NAME = "checkpoint.pt"
# Number of steps after which processes ask each other whether to save or to stop; it takes time.
STEPS_BETWEEN_AGREEMENTS = 10


class TrainingState:
    """A training between two steps: the trainer, and what has been achieved so far.

    Args:
        trainer: the network and its optimiser.
        training_images: the images to train on, on the trainer's device.
        validation_images: the images that were held out, on the same device; there may be none.

    Attributes:
        trainer, training_images, validation_images: the arguments.
        history: metrics of the finished epochs.
        best_weights: weights of the best epoch so far, by name; empty before the first one ends.
        seconds: time that the current epoch has taken so far, in all processes that worked on it.
    """

    def __init__(
        self, trainer: Trainer, training_images: LabelledImages, validation_images: LabelledImages
    ) -> None:
        self.trainer = trainer
        self.training_images = training_images
        self.validation_images = validation_images
        self.history: list[EpochMetrics] = []
        self.best_weights: dict[str, Tensor] = {}
        self.seconds = 0.0
        digest = hashlib.sha256()
        for images in (training_images, validation_images):
            digest.update(images.labels.cpu().numpy().data)
            digest.update(images.pixels.cpu().numpy().data)
        self._data = digest.hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """Return plain values and tensors; every process must call this at the same step."""
        return {
            "trainer": self.trainer.state_dict(),
            "history": [asdict(row) for row in self.history],
            "best_weights": self.best_weights,
            "seconds": self.seconds,
            "data": self._data,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to the state at which :meth:`state_dict` was called.

        Raises:
            RunError: the images are not those that the training began with.
            RuntimeError, KeyError: the state is not that of such a trainer.
        """
        if state["data"] != self._data:
            raise RunError(
                "the images are not those that this run began with; restore them, name their "
                "folder with --data, or start a new run"
            )
        self.trainer.load_state_dict(state["trainer"])
        self.history = [EpochMetrics(**row) for row in state["history"]]
        self.best_weights = {name: value.cpu() for name, value in state["best_weights"].items()}
        self.seconds = state["seconds"]


class Checkpoints:
    """The latest checkpoint of a run, in ``checkpoint.pt``.

    Args:
        run: the folder of the run.
        interval: seconds between two checkpoints within an epoch.
        state: the training that is saved and restored.
        signals: the signals that stop the training once it is saved.

    Attributes:
        state: the training that is saved and restored.
    """

    def __init__(
        self, run: Path, interval: float, state: TrainingState, signals: StopSignals
    ) -> None:
        self.state = state
        self._file = run / CHECKPOINT_FILE_NAME
        self._interval = interval
        self._signals = signals
        self._process_group = state.trainer.process_group
        self._saved_at = time.monotonic()

    def save(self) -> None:
        """Replace the checkpoint; every process must call this at the same step.

        Raises:
            OSError: the checkpoint can't be written; the old one is still there.
        """
        state = self.state.state_dict()
        if self._process_group.is_first:
            save_atomically(self._file, state)
        self._saved_at = time.monotonic()

    def save_and_stop_if_due(self) -> None:
        """Save after a step where the interval is over, or where a signal asks to stop.

        Raises:
            Stopped: there was a signal, and the checkpoint is written.
            OSError: the checkpoint can't be written; the old one is still there.
        """
        group = self._process_group
        # All processes must save and stop at the same step.
        if group.is_distributed and self.state.trainer.steps_taken % STEPS_BETWEEN_AGREEMENTS:
            return
        is_due = time.monotonic() - self._saved_at >= self._interval
        signal_number = group.maximum(self._signals.received)
        if signal_number or group.maximum(int(is_due)):
            self.save()
        if signal_number:
            raise Stopped(signal_number)

    def restore(self) -> bool:
        """Return the training to the checkpoint where there is one.

        Returns:
            Whether there was one.

        Raises:
            RunError: the checkpoint is damaged or of another training, or the processes find
                different ones.
        """
        restored = self._file.exists()
        if restored:
            self._load()
        for position in (len(self.state.history), self.state.trainer.steps_taken):
            if self._process_group.maximum(position) != -self._process_group.maximum(-position):
                raise RunError(
                    "the processes find different checkpoints; give a --runs folder that all "
                    "machines share"
                )
        return restored

    def _load(self) -> None:
        try:
            device = self.state.trainer.device
            state = torch.load(self._file, map_location=device, weights_only=True)
            self.state.load_state_dict(state)
        except RunError:
            raise
        except (
            *(OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, AttributeError),
            pickle.UnpicklingError,
        ) as error:
            raise RunError(
                f"{self._file} is damaged or of another version of this program "
                f"({type(error).__name__}), so the run can't be resumed; start a new one"
            ) from error
