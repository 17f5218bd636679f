"""Compare train.py with the original's Keras program.

Each program trains the same network on the same images, one after another. The report says how
long an epoch takes, how soon the validation accuracy is above 65 %, how much memory is needed, and
what our figures are divided by theirs. The Keras program gets a virtual environment of its own
below .venv-benchmarks/ in the first run. Nothing else should run meanwhile.

  python -m benchmarks.training                             CIFAR-10, downloaded; 10 epochs of each
  python -m benchmarks.training --data DIR --rounds 3       to measure: an hour or more
  python -m benchmarks.training --data DIR --only ours ours-original       without TensorFlow
  python -m benchmarks.training --data DIR --epochs 2 --output /tmp/trial.md      does it work?
"""

import argparse
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.common.command import Command, option
from benchmarks.common.peer_environment import pins
from benchmarks.common.programs import MEMORY_METHOD, take_turns
from benchmarks.common.report import Report, available_cpus, mebibytes, table
from benchmarks.training.programs import GROUP, PROGRAMS, Run
from model import PROJECT
from model.command_line import whole_number
from model.data.cifar10 import load_cifar10
from model.data.dataset import DataError
from model.data.folders import load_folders
from model.data.splits import split_training_images
from model.networks.reference_cnn import ReferenceCNN

# Validation accuracy in [0, 1] that the way is timed to.
TARGET = 0.65
TO_TARGET = f"seconds to {100 * TARGET:.0f} %"
LABELS = {
    "ours": "ours, recipe `tuned`",
    "ours-original": "ours, recipe `original`",
    "keras": "the original, Keras on TensorFlow",
}
OPTIONS = (
    option(
        "--data",
        "folder-per-class tree, as train.py takes it (default: CIFAR-10, downloaded to data/)",
        type=Path,
        metavar="DIR",
    ),
    option(
        "--only",
        "run these alone; ours-original is ours with the original's settings (default: all)",
        PROGRAMS,
        nargs="+",
        choices=PROGRAMS,
    ),
    option("--epochs", "passes of each program over the training images", 10),
    option("--rounds", "times that each program runs, in turns, with other seeds", 1),
    option(
        "--limit",
        "train on N images only, to try it out; the figures mean nothing then",
        type=whole_number(),
        metavar="N",
    ),
)


def measure(options: argparse.Namespace) -> Report:
    """Run every program that was asked for, in every round; raises ``DataError``."""
    names = [name for name in PROGRAMS if name in options.only]
    with tempfile.TemporaryDirectory() as directory:
        images = Path(directory) / "images.npz"
        counts = write_images(options, images)
        trainings = {name: partial(PROGRAMS[name], options, images) for name in names}
        runs, failures = take_turns(trainings, options.rounds)
    return make_report(options, counts, names, runs, failures)


def write_images(options: argparse.Namespace, file: Path) -> tuple[int, int]:
    """Split the training images as ``train.py`` does, and write them as the Keras program's task.

    Returns:
        The numbers of training and validation images.

    Raises:
        DataError: the data can't be used, or is too little for the split or the limit.
    """
    if options.data and not options.data.is_dir():
        raise DataError(f"--data: {options.data} is not a folder")
    size = ReferenceCNN.image_size
    data = load_folders(options.data, size) if options.data else load_cifar10(PROJECT / "data")
    train = data["train"]
    splits = split_training_images(train.labels, train.class_names, None, options.limit)
    arrays = {}
    for split, indices in zip(("training", "validation"), splits, strict=True):
        images = train.subset(indices)
        arrays[f"{split}_pixels"] = images.pixels.permute(0, 2, 3, 1).numpy()
        arrays[f"{split}_labels"] = images.labels.numpy()
    # allow_pickle is spelt out for the type checker, which takes an array for it otherwise.
    np.savez(file, allow_pickle=False, **arrays)
    return len(splits[0]), len(splits[1])


class Summary(NamedTuple):
    """The medians of all runs of one program: seconds, bytes, and an accuracy in [0, 1].

    An epoch is one after the first, in which TensorFlow traces its graph. The way to the target
    ends with the first epoch above it, and is infinite where half of the runs have no such epoch.
    """

    epoch_seconds: float
    peak_memory: float
    seconds_to_target: float
    training_seconds: float
    accuracy: float


def summarise(runs: Sequence[Run]) -> Summary:
    """Return the medians of ``runs``, of which there is at least one."""
    return Summary(
        median(median(epoch.seconds for epoch in run.epochs[1:] or run.epochs) for run in runs),
        median(run.peak_memory for run in runs),
        median(map(_seconds_to_target, runs)),
        median(sum(epoch.seconds for epoch in run.epochs) for run in runs),
        median(run.epochs[-1].validation_accuracy for run in runs),
    )


def _seconds_to_target(run: Run) -> float:
    seconds = 0.0
    for epoch in run.epochs:
        seconds += epoch.seconds
        if epoch.validation_accuracy > TARGET:
            return seconds
    return math.inf


def make_report(
    options: argparse.Namespace,
    images: tuple[int, int],
    names: Sequence[str],
    runs: Mapping[str, Sequence[Run]],
    failures: Mapping[str, str],
) -> Report:
    """Return the report; ``images`` are the numbers of training and validation images."""
    summaries = {name: summarise(values) for name, values in runs.items()}
    header = ("program", "seconds an epoch", "peak memory", TO_TARGET, "final validation accuracy")
    rows = [_row(name, summaries.get(name), summaries.get("keras")) for name in names]
    note = "In parentheses: ours divided by Keras' figure; below 1, ours needs less."
    facts = {
        "data": f"folder {options.data.resolve().name}" if options.data else "CIFAR-10",
        "images": f"{images[0]:,} to train, {images[1]:,} to validate, the same for all",
        "epochs": f"{options.epochs} at batch 64",
        "rounds": f"{options.rounds}; the figures are medians",
        "threads": available_cpus(),
        "peak memory": MEMORY_METHOD,
        "precision": ", ".join(f"{name} {values[0].precision}" for name, values in runs.items()),
        "peers": pins(GROUP) if "keras" in runs else "in the same environment",
    }
    data = {name: [asdict(run) for run in values] for name, values in runs.items()}
    failed = {LABELS[name]: message for name, message in failures.items()}
    return Report("Training", [table(header, rows), note], {"runs": data}, facts, failed)


def _row(name: str, summary: Summary | None, keras: Summary | None) -> list[str]:
    if summary is None:
        return [LABELS[name], "failed"]
    never = f"never ({summary.training_seconds:.0f} s)"
    seconds = summary.seconds_to_target
    cells = [
        f"{summary.epoch_seconds:.1f}",
        mebibytes(summary.peak_memory),
        never if math.isinf(seconds) else f"{seconds:.0f}",
    ]
    if keras and name != "keras":
        ratios = [ours / its for ours, its in zip(summary, keras, strict=True)]
        # Where one of the two never arrives, there is none.
        cells = [
            f"{cell} ({ratio:.2f})" if 0 < ratio < math.inf else cell
            for cell, ratio in zip(cells, ratios[:3], strict=True)
        ]
    return [LABELS[name], *cells, f"{100 * summary.accuracy:.2f} %"]


COMMAND = Command("training", __doc__, OPTIONS, measure)

if __name__ == "__main__":
    COMMAND.main()
