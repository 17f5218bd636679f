"""How the benchmark and a peer's program talk: arguments, arrays, and lines of JSON.

A peer's virtual environment is its own, so this imports nothing but NumPy.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH_SIZE = 64


@dataclass(frozen=True)
class Arrays:
    """The images of one split.

    Attributes:
        pixels: uint8 ``(N, 32, 32, 3)``, RGB, 0 to 255.
        labels: int64 ``(N,)``, class indices.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def save(self, directory: Path, split: str) -> None:
        """Write ``<split>_pixels.npy`` and ``<split>_labels.npy`` into ``directory``."""
        np.save(directory / f"{split}_pixels.npy", self.pixels)
        np.save(directory / f"{split}_labels.npy", self.labels)

    @classmethod
    def load(cls, directory: Path, split: str) -> "Arrays":
        """Read what :meth:`save` wrote."""
        return cls(
            np.load(directory / f"{split}_pixels.npy"), np.load(directory / f"{split}_labels.npy")
        )


@dataclass(frozen=True)
class Task:
    """What a peer is asked for: the two splits, the epochs, the seed."""

    training: Arrays
    validation: Arrays
    epochs: int
    seed: int

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.training.labels.max()) + 1


def read_task(description: str | None, arguments: Sequence[str] | None = None) -> Task:
    """Parse a peer's command line and load its arrays."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("arrays", type=Path, help="directory of the four .npy files")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")
    options = parser.parse_args(arguments)
    return Task(
        Arrays.load(options.arrays, "training"),
        Arrays.load(options.arrays, "validation"),
        options.epochs,
        options.seed,
    )


def print_facts(threads: int, *packages: str) -> None:
    """Print the number of threads of the arithmetic, and the versions of ``packages``."""
    _print({"threads": threads, "versions": {package: version(package) for package in packages}})


def print_epoch(epoch: int, seconds: float, validation_accuracy: float) -> None:
    """Print one line for an epoch: counted from 1, its seconds, an accuracy in [0, 1]."""
    _print({"epoch": epoch, "seconds": seconds, "validation_accuracy": validation_accuracy})


def _print(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)
