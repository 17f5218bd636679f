"""Compare train.py with the original's Keras program.

Each program trains the same network on the same images, one after another. The report says how
long an epoch takes, how soon the validation accuracy is above 65 %, how much memory is needed, and
what our figures are divided by theirs. The Keras program gets a virtual environment of its own
below .venv-benchmarks/ in the first run. Nothing else should run meanwhile.

  python -m benchmarks.training                             CIFAR-10, downloaded; 10 epochs of each
  python -m benchmarks.training --data DIR --only ours ours-original       without TensorFlow
  python -m benchmarks.training --data DIR --epochs 2 --output /tmp/trial.md      does it work?
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.common.command import Command, option
from benchmarks.common.peer_environment import pins, prepare
from benchmarks.common.programs import MEMORY_METHOD, run_to_end
from benchmarks.common.report import Report, mebibytes, table
from model import PROJECT
from model.command_line import available_cpus
from model.data.cifar10 import load_cifar10
from model.data.folders import load_folders
from model.networks.reference_cnn import ReferenceCNN
from model.training.batches import hold_out
from model.training.config import Config
from model.training.metrics import read_metrics

GROUP = "training-benchmark"
# Recipes of train.py by what --only takes.
RECIPES = {"ours": "tuned", "ours-original": "original"}
LABELS = {
    **{name: f"ours, recipe `{recipe}`" for name, recipe in RECIPES.items()},
    "keras": "the original, Keras on TensorFlow",
}
# Validation accuracy in [0, 1] that the way is timed to.
TARGET = 0.65
HEADER = (
    "program",
    "seconds an epoch",
    "peak memory",
    f"seconds to {TARGET:.0%}",
    "final validation accuracy",
)
# By default PyTorch takes the physical cores and TensorFlow the logical ones.
THREADS = {
    name: str(available_cpus())
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
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
        LABELS,
        nargs="+",
        choices=LABELS,
    ),
    option("--epochs", "passes of each program over the training images", 10),
)


class Run(NamedTuple):
    """One training: seconds of each epoch, validation accuracies in [0, 1], and bytes of memory."""

    seconds: list[float]
    accuracies: list[float]
    peak_memory: int
    precision: str


def measure(options: argparse.Namespace) -> Report:
    """Run every program that was asked for; ``CommandError`` where the data can't be used."""
    runs = {}
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        images = write_images(options.data, folder / "images.npz")
        for name in filter(options.only.__contains__, LABELS):
            print(f"{LABELS[name]} ...", flush=True)
            train = train_keras if name == "keras" else partial(train_ours, RECIPES[name])
            runs[name] = train(options, folder)
    facts = {
        "data": f"folder {options.data.resolve().name}" if options.data else "CIFAR-10",
        "images": images,
        "epochs": f"{options.epochs} at batch 64",
        "threads": available_cpus(),
        "peak memory": MEMORY_METHOD,
        "precision": ", ".join(f"{name} {run.precision}" for name, run in runs.items()),
        "peers": pins(GROUP) if "keras" in runs else "none",
    }
    data = {"runs": {name: run._asdict() for name, run in runs.items()}}
    return Report("Training", make_parts(runs), data, facts, {})


def write_images(data: Path | None, file: Path) -> str:
    """Write for Keras what ``train.py`` trains and validates with; return how many these are."""
    splits = load_folders(data, ReferenceCNN.image_size) if data else load_cifar10(PROJECT / "data")
    training, validation = hold_out(splits, Config())
    np.savez(
        file,
        training_pixels=training.pixels.permute(0, 2, 3, 1).numpy(),
        training_labels=training.labels.numpy(),
        validation_pixels=validation.pixels.permute(0, 2, 3, 1).numpy(),
        validation_labels=validation.labels.numpy(),
    )
    return f"{len(training):,} to train, {len(validation):,} to validate, the same for all"


def train_ours(recipe: str, options: argparse.Namespace, folder: Path) -> Run:
    """Run ``train.py`` as a user does, and read its ``metrics.csv``."""
    command = [sys.executable, "train.py", "--no-test", "--epochs", str(options.epochs)]
    # On the CPU, as TensorFlow here has no other device.
    command += ["--device", "cpu", "--recipe", recipe, "--runs", str(folder), "--name", recipe]
    command += ["--data", str(options.data.resolve())] if options.data else []
    peak_memory = run_to_end(command, THREADS)
    epochs = read_metrics(folder / recipe)
    accuracies = [epoch.validation_accuracy or 0 for epoch in epochs]
    precision = Config.load(folder / recipe).precision
    return Run([epoch.seconds for epoch in epochs], accuracies, peak_memory, precision)


def train_keras(options: argparse.Namespace, folder: Path) -> Run:
    """Run the Keras program, and read the file that it leaves."""
    images, result = folder / "images.npz", folder / "keras.json"
    command = [str(prepare(GROUP)), "-m", "benchmarks.training.keras_training"]
    command += [str(images), str(result), str(options.epochs)]
    # As TensorFlow here has no GPU, nobody takes one.
    peak_memory = run_to_end(command, {**THREADS, "CUDA_VISIBLE_DEVICES": ""})
    return Run(**json.loads(result.read_text()), peak_memory=peak_memory, precision="fp32")


def make_parts(runs: Mapping[str, Run]) -> list[str]:
    """Return the table, and how to read it."""
    rows = []
    for name, run in runs.items():
        epoch, memory, to_target = figures(run)
        limit = "" if max(run.accuracies) > TARGET else "> "
        cells = [f"{epoch:.1f}", mebibytes(memory), f"{limit}{to_target:.0f}"]
        if name != "keras" and "keras" in runs:
            pairs = zip(figures(run), figures(runs["keras"]), strict=True)
            ratios = [ours / its for ours, its in pairs]
            cells = [f"{cell} ({ratio:.2f})" for cell, ratio in zip(cells, ratios, strict=True)]
        rows.append([LABELS[name], *cells, f"{100 * run.accuracies[-1]:.2f} %"])
    note = "In parentheses: ours divided by Keras' figure; below 1, ours needs less."
    return [table(HEADER, rows), note]


def figures(run: Run) -> tuple[float, float, float]:
    """Return the seconds of an epoch, the bytes of memory, and the seconds to the target.

    An epoch is one after the first, in which TensorFlow traces its graph. The way to the target
    ends with the first epoch above it, or with the last where none is.
    """
    above = (index for index, accuracy in enumerate(run.accuracies, 1) if accuracy > TARGET)
    to_target = sum(run.seconds[: next(above, None)])
    return median(run.seconds[1:] or run.seconds), run.peak_memory, to_target


COMMAND = Command("training", __doc__, OPTIONS, measure)

if __name__ == "__main__":
    COMMAND.main()
