"""The programs that are compared: how each is started, and how its epochs are read."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.common.peer_environment import prepare
from benchmarks.common.programs import ProgramError, watch
from benchmarks.common.report import available_cpus
from model.training.metrics import METRICS_FILE_NAME, read_metrics

GROUP = "training-benchmark"
# By default PyTorch takes the physical cores and TensorFlow the logical ones.
THREADS = {
    name: str(available_cpus())
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
}


@dataclass(frozen=True)
class Epoch:
    """One epoch: its number from 1, the seconds of training and validation, accuracy in [0, 1]."""

    epoch: int
    seconds: float
    validation_accuracy: float

    def __str__(self) -> str:
        accuracy = f"validation accuracy {100 * self.validation_accuracy:.2f} %"
        return f"epoch {self.epoch:>2}  {self.seconds:6.1f} s  {accuracy}"


@dataclass(frozen=True)
class Run:
    """One training from start to end: its epochs, at least one, and bytes of memory at its peak."""

    epochs: list[Epoch]
    peak_memory: int
    precision: str = "fp32"


def train_ours(recipe: str, options: argparse.Namespace, _images: Path, seed: int) -> Run:
    """Run ``train.py`` as a user does, and read its ``metrics.csv``."""
    # On the CPU, as TensorFlow here has no other device.
    command = [sys.executable, "train.py", "--no-test", "--device", "cpu", "--recipe", recipe]
    command += ["--epochs", str(options.epochs), "--seed", str(seed)]
    command += ["--data", str(options.data.resolve())] if options.data else []
    command += ["--limit", str(options.limit)] if options.limit else []
    epochs: list[Epoch] = []
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "run"

        def read_new_epochs(_line: str) -> None:
            # It prints a line after each epoch, when the file has been written.
            rows = read_metrics(run) if (run / METRICS_FILE_NAME).exists() else []
            for row in rows[len(epochs) :]:
                epochs.append(Epoch(row.epoch, row.seconds, row.validation_accuracy or 0))
                print(epochs[-1], flush=True)

        peak = watch([*command, "--runs", directory, "--name", "run"], read_new_epochs, THREADS)
        precision = json.loads((run / "config.json").read_text())["precision"]
    return Run(epochs, peak, precision)


def train_keras(options: argparse.Namespace, images: Path, seed: int) -> Run:
    """Run the Keras program and read its lines of JSON."""
    command = [str(prepare(GROUP)), "-m", "benchmarks.training.keras_training", str(images)]
    command += ["--epochs", str(options.epochs), "--seed", str(seed)]
    epochs: list[Epoch] = []

    def read_epoch(line: str) -> None:
        if line.startswith("{"):
            epochs.append(Epoch(**json.loads(line)))
            print(epochs[-1], flush=True)

    # As TensorFlow here has no GPU, nobody takes one.
    peak = watch(command, read_epoch, {**THREADS, "CUDA_VISIBLE_DEVICES": ""})
    if not epochs:
        raise ProgramError("it ended without an epoch")
    return Run(epochs, peak)


# What runs each program once with the options of the benchmark, the images for the peers, and a
# seed, by the name that --only takes.
PROGRAMS: dict[str, Callable[[argparse.Namespace, Path, int], Run]] = {
    "ours": partial(train_ours, "tuned"),
    "ours-original": partial(train_ours, "original"),
    "keras": train_keras,
}
