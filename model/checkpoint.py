"""Checkpoints: a training as a file, from which it goes on as if nothing had happened."""

import hashlib
import pickle
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.atomic_file import save_atomically
from model.data import LabelledImages
from model.reports import EpochMetrics
from model.run_directory import RunError
from model.trainer import Trainer

CHECKPOINT_FILE_NAME = "checkpoint.pt"


class Training:
    """A training between two steps: the trainer, and what the run knows of its past.

    Attributes:
        history: the epochs that are done.
        best_weights: those of the best epoch so far, by name; empty at first.
        seconds: what the epoch in hand has taken before this process began or resumed it.
    """

    def __init__(self, trainer: Trainer, images: tuple[LabelledImages, LabelledImages]) -> None:
        self.trainer = trainer
        self.history: list[EpochMetrics] = []
        self.best_weights: dict[str, Tensor] = {}
        self.seconds = 0.0
        self._data = _fingerprint(images)

    def state_dict(self) -> dict[str, Any]:
        """Return plain values and tensors; every process must take part."""
        return {
            "trainer": self.trainer.state_dict(),
            "history": [asdict(row) for row in self.history],
            "best_weights": self.best_weights,
            "seconds": self.seconds,
            "data": self._data,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where :meth:`state_dict` was called.

        Raises:
            RunError: the images are not those that the training began with.
        """
        if state["data"] != self._data:
            raise RunError(
                "the images are not those that this run began with; bring them back, name their "
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
    """

    def __init__(self, run: Path, interval: float) -> None:
        self._file = run / CHECKPOINT_FILE_NAME
        self._interval = interval
        self._saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the interval has passed since the last one."""
        return time.monotonic() - self._saved_at >= self._interval

    def save(self, training: Training) -> None:
        """Replace the checkpoint by one of ``training``; every process must take part.

        Raises:
            OSError: it can't be written; the old one is still there.
        """
        state = training.state_dict()
        if training.trainer.processes.is_first:
            save_atomically(self._file, state)
        self._saved_at = time.monotonic()

    def restore(self, training: Training) -> bool:
        """Take ``training`` to the checkpoint, if there is one, and return whether there was.

        Raises:
            RunError: the checkpoint is damaged, or not of this training.
        """
        if not self._file.exists():
            return False
        try:
            device = training.trainer.device
            state = torch.load(self._file, map_location=device, weights_only=True)
            training.load_state_dict(state)
        except RunError:
            raise
        except (
            *(OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, AttributeError),
            pickle.UnpicklingError,
        ) as error:
            raise RunError(
                f"{self._file} is damaged or of another version of this program "
                f"({type(error).__name__}); the run can't go on, start a new one"
            ) from error
        return True


def _fingerprint(images: tuple[LabelledImages, LabelledImages]) -> str:
    digest = hashlib.sha256()
    for part in images:
        digest.update(part.labels.cpu().numpy().data)
        digest.update(part.pixels.cpu().numpy().data)
    return digest.hexdigest()
