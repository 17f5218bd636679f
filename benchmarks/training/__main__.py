"""Compare train.py with the original's Keras program.

Each program trains the same network on the same images, one after another. The report says how
long an epoch takes, how soon the validation accuracy is above 65 %, how much memory is needed, and
what our figures are divided by theirs. The Keras program gets a virtual environment of its own
below .venv-benchmarks/ in the first run. Nothing else should run meanwhile.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.common.command import Command, add_number
from benchmarks.common.programs import take_turns
from benchmarks.common.report import Report
from benchmarks.training.programs import PROGRAMS
from benchmarks.training.report import make_report
from model import PROJECT
from model.command_line import whole_number
from model.data.cifar10 import load_cifar10
from model.data.dataset import DataError
from model.data.folders import load_folders
from model.data.splits import split_training_images
from model.networks.reference_cnn import ReferenceCNN

EXAMPLES = """\
  python -m benchmarks.training                             CIFAR-10, downloaded; 10 epochs of each
  python -m benchmarks.training --data DIR --rounds 3       to measure: an hour or more
  python -m benchmarks.training --data DIR --only ours ours-original       without TensorFlow
  python -m benchmarks.training --data DIR --epochs 2 --output /tmp/trial.md      does it work?
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder-per-class tree, as train.py takes it (default: CIFAR-10, downloaded to data/)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PROGRAMS,
        default=PROGRAMS,
        help="run these alone; ours-original is ours with the original's settings (default: all)",
    )
    add_number(parser, "--epochs", 10, "passes of each program over the training images")
    add_number(parser, "--rounds", 1, "times that each program runs, in turns, with other seeds")
    parser.add_argument(
        "--limit",
        type=whole_number(),
        metavar="N",
        help="train on N images only, to try it out; the figures mean nothing then",
    )


def measure(options: argparse.Namespace) -> Report:
    """Run every program that was asked for, in every round; raises ``DataError``."""
    names = [name for name in PROGRAMS if name in options.only]
    with tempfile.TemporaryDirectory() as directory:
        images = Path(directory) / "images.npz"
        counts = write_images(options, images)
        trainings = {name: partial(PROGRAMS[name][1], options, images) for name in names}
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
    splits = split_training_images(data.train.labels, data.class_names, None, options.limit)
    arrays = {}
    for split, indices in zip(("training", "validation"), splits, strict=True):
        images = data.train.subset(indices)
        arrays[f"{split}_pixels"] = images.pixels.permute(0, 2, 3, 1).numpy()
        arrays[f"{split}_labels"] = images.labels.numpy()
    # allow_pickle is spelt out for the type checker, which takes an array for it otherwise.
    np.savez(file, allow_pickle=False, **arrays)
    return len(splits[0]), len(splits[1])


COMMAND = Command("training", __doc__, EXAMPLES, add_options, measure)

if __name__ == "__main__":
    COMMAND.main()
