"""How the benchmark and a peer's program talk: arguments, arrays, and lines of JSON.

A peer runs in a virtual environment of its own, so this module imports nothing but NumPy.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BATCH_SIZE = 64


@dataclass(frozen=True)
class Task:
    """What a peer is asked for: images of two splits, number of epochs, and seed.

    Pixels are uint8 ``(N, 32, 32, 3)``, RGB, 0 to 255; labels are class indices, int64 ``(N,)``.
    """

    training_pixels: NDArray[np.uint8]
    training_labels: NDArray[np.int64]
    validation_pixels: NDArray[np.uint8]
    validation_labels: NDArray[np.int64]
    epochs: int
    seed: int

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.training_labels.max()) + 1


def read_task(description: str | None) -> Task:
    """Parse a peer's command line and load its arrays."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("images", type=Path, help="file of the four arrays")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images")
    parser.add_argument("--seed", type=int, default=0, help="for weights, order and augmentation")
    options = parser.parse_args()
    with np.load(options.images) as arrays:
        return Task(**arrays, epochs=options.epochs, seed=options.seed)


def print_epoch(epoch: int, seconds: float, validation_accuracy: float) -> None:
    """Print one line for an epoch: its number from 1, its seconds, an accuracy in [0, 1]."""
    record = {"epoch": epoch, "seconds": seconds, "validation_accuracy": validation_accuracy}
    print(json.dumps(record), flush=True)
