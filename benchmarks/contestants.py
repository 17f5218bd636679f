"""The programs that are compared: how each is started, and how its epochs are read."""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import peer_environment
from benchmarks.machine import available_cpus
from benchmarks.programs import ProgramError, watch
from benchmarks.summary import Epoch, Run
from model.reports import METRICS_FILE_NAME, read_metrics

ShowEpoch = Callable[[Epoch], None]
# By default PyTorch takes the physical cores and TensorFlow the logical ones.
THREADS = {
    name: str(available_cpus())
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
}


@dataclass(frozen=True)
class Assignment:
    """What every program is asked to do.

    Attributes:
        data: folder-per-class tree, or None for torchvision's CIFAR-10; read by ``train.py``.
        arrays: directory of the same images, split already; read by the peers.
        epochs: passes over the training images.
        validation_images: held out of the training images.
        limit: training images of a trial; None for all.
    """

    data: Path | None
    arrays: Path
    epochs: int
    validation_images: int
    limit: int | None


@dataclass(frozen=True)
class Contestant:
    """One program of the comparison.

    Attributes:
        name: short, for the terminal and the JSON.
        label: what the table calls it.
        family: what ``--only`` calls it.
        train: runs it once with a seed, and calls back after every epoch; raises
            ``ProgramError``.
    """

    name: str
    label: str
    family: str
    train: Callable[[Assignment, int, ShowEpoch], Run]


def train_ours(recipe: str, assignment: Assignment, seed: int, show: ShowEpoch) -> Run:
    """Run ``train.py`` as a user does, and read its ``metrics.csv``."""
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "run"
        epochs: list[Epoch] = []

        def read_new_epochs(_line: str) -> None:
            # It prints a line after each epoch, when the file has been written.
            rows = read_metrics(run) if (run / METRICS_FILE_NAME).exists() else []
            for row in rows[len(epochs) :]:
                epochs.append(Epoch(row.epoch, row.seconds, row.validation_accuracy or 0))
                show(epochs[-1])

        watched = watch(_our_command(recipe, assignment, seed, run), read_new_epochs, THREADS)
        configuration = json.loads((run / "config.json").read_text())
    facts = {"precision": configuration["precision"]}
    return _finished(epochs, watched.peak_memory, watched.seconds, facts)


def _our_command(recipe: str, assignment: Assignment, seed: int, run: Path) -> list[str]:
    options: dict[str, object] = {
        "--recipe": recipe,
        "--epochs": assignment.epochs,
        "--validation-images": assignment.validation_images,
        "--seed": seed,
        "--device": "cpu",  # as TensorFlow here has no other
        "--runs": run.parent,
        "--name": run.name,
    }
    if assignment.data:
        options["--data"] = assignment.data.resolve()
    if assignment.limit:
        options["--limit"] = assignment.limit
    arguments = [str(part) for option in options.items() for part in option]
    return [sys.executable, "train.py", "--no-test", *arguments]


def train_keras(assignment: Assignment, seed: int, show: ShowEpoch) -> Run:
    """Run the original's program in the peers' virtual environment."""
    return train_peer(
        peer_environment.prepare("training-benchmark"), "keras_training", assignment, seed, show
    )


def train_torchvision(assignment: Assignment, seed: int, show: ShowEpoch) -> Run:
    """Run the plain loop with PyTorch as it is here."""
    return train_peer(Path(sys.executable), "torchvision_training", assignment, seed, show)


def train_peer(
    python: Path, module: str, assignment: Assignment, seed: int, show: ShowEpoch
) -> Run:
    """Run a module of ``benchmarks.peers`` and read its lines of JSON."""
    epochs: list[Epoch] = []
    facts: dict[str, Any] = {}

    def read(line: str) -> None:
        if not line.startswith("{"):
            return
        record = json.loads(line)
        if "epoch" not in record:
            facts.update(record)
            return
        epochs.append(Epoch(**record))
        show(epochs[-1])

    command = [str(python), "-m", f"benchmarks.peers.{module}", str(assignment.arrays)]
    command += ["--epochs", str(assignment.epochs), "--seed", str(seed)]
    # CUDA_VISIBLE_DEVICES: as TensorFlow here has no GPU, nobody takes one.
    watched = watch(command, read, {**THREADS, "CUDA_VISIBLE_DEVICES": ""})
    return _finished(epochs, watched.peak_memory, watched.seconds, facts)


def _finished(epochs: list[Epoch], peak: int, seconds: float, facts: dict[str, Any]) -> Run:
    if not epochs:
        raise ProgramError("it ended without an epoch")
    return Run(tuple(epochs), peak, seconds, facts)


def _ours(recipe: str) -> Contestant:
    def train(assignment: Assignment, seed: int, show: ShowEpoch) -> Run:
        return train_ours(recipe, assignment, seed, show)

    return Contestant(f"ours-{recipe}", f"ours, recipe `{recipe}`", "ours", train)


CONTESTANTS = (
    _ours("reference"),
    _ours("original"),
    Contestant("keras", "the original, Keras on TensorFlow", "keras", train_keras),
    Contestant("torchvision", "torchvision and DataLoader", "torchvision", train_torchvision),
)
