"""Compare train.py with the original's Keras program and with a plain torchvision loop.

Trains the same net on the same images with each program, one after another, and tells for each:
seconds an epoch, peak memory, seconds until the validation accuracy is above 65 %, and what is
ours divided by theirs. The Keras program brings a virtual environment of its own, below
.venv-benchmarks/, which the first run makes. Nothing else should run meanwhile: what counts is
time.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.contestants import CONTESTANTS, Assignment, Contestant
from benchmarks.machine import available_cpus, commit, describe_machine, describe_software
from benchmarks.output import (
    add_output_option,
    check_output,
    elapsed,
    interrupt_at_any_signal,
    warn_of_load,
    write,
)
from benchmarks.peers.protocol import Arrays
from benchmarks.programs import PROJECT, ProgramError
from benchmarks.report import Result, Settings, to_json, to_markdown
from benchmarks.summary import Epoch, Run
from model.data import LabelledImages, load_cifar10, load_folders
from model.data_error import DataError
from model.options import OneLineParser, at_least_one
from model.reference_cnn import ReferenceCNN
from model.splits import split_training_images

TARGET = 0.65
FAMILIES = tuple(dict.fromkeys(contestant.family for contestant in CONTESTANTS))
EPILOG = """\
examples:
  python -m benchmarks.training                   CIFAR-10, downloaded; 10 epochs of each
  python -m benchmarks.training --data DIR --rounds 3
                                                  to measure: an hour or more, nothing else
  python -m benchmarks.training --data DIR --only ours torchvision
                                                  without TensorFlow
  python -m benchmarks.training --data DIR --epochs 2 --output /tmp/trial.md
                                                  does it work? minutes
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parse_options(arguments)
    try:
        result = measure(options)
        write(to_markdown(result), to_json(result), options.output)
    except (DataError, OSError) as error:
        print(f"benchmarks.training: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks.training: interrupted; no result is written", file=sys.stderr)
        return 130
    return 1 if result.failures else 0


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line; a wrong value exits with 2."""
    parser = create_parser()
    options = parser.parse_args(arguments)
    options.only = options.only or list(FAMILIES)
    if options.data and not options.data.is_dir():
        parser.error(f"--data: {options.data} is no folder")
    check_output(options, parser, "training")
    return options


def create_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser(
        prog="python -m benchmarks.training",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder-per-class tree, as train.py takes it (default: CIFAR-10, downloaded to data/)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=FAMILIES,
        help="run these alone; ours is two programs, one for each recipe (default: all)",
    )
    parser.add_argument(
        "--epochs", type=at_least_one, default=10, help="of each program (default: 10)"
    )
    parser.add_argument(
        "--rounds",
        type=at_least_one,
        default=1,
        metavar="N",
        help="times that each program runs, in turns and with other seeds; the result is the "
        "median (default: 1)",
    )
    parser.add_argument(
        "--validation-images",
        type=at_least_one,
        default=5000,
        metavar="N",
        help="training images held out, as train.py does (default: 5000)",
    )
    parser.add_argument(
        "--limit",
        type=at_least_one,
        metavar="N",
        help="train on N images only, to try it out; the figures mean nothing then",
    )
    add_output_option(parser, "training", "every epoch")
    return parser


def measure(options: argparse.Namespace) -> Result:
    """Run every program that was asked for, in every round.

    Raises:
        DataError: the data can't be used.
    """
    machine, code, date = describe_machine(), commit(), datetime.now(UTC).date()
    warn_of_load()
    contestants = [one for one in CONTESTANTS if one.family in options.only]
    with tempfile.TemporaryDirectory() as directory:
        counts = write_arrays(options, Path(directory))
        assignment = Assignment(
            options.data, Path(directory), options.epochs, options.validation_images, options.limit
        )
        runs, failures = run_rounds(contestants, assignment, options.rounds)
    settings = Settings(
        data=f"Folder {options.data.resolve().name}" if options.data else "CIFAR-10",
        training_images=counts[0],
        validation_images=counts[1],
        epochs=options.epochs,
        rounds=options.rounds,
        threads=available_cpus(),
        target=TARGET,
        date=date.isoformat(),
        commit=code,
    )
    return Result(settings, machine, describe_software(), contestants, runs, failures)


def write_arrays(options: argparse.Namespace, directory: Path) -> tuple[int, int]:
    """Split the training images as ``train.py`` does, and write them for the peers.

    Returns:
        The numbers of training and validation images.

    Raises:
        DataError: the data can't be used, or is too little for the split or the limit.
    """
    size = ReferenceCNN.image_size
    data = load_folders(options.data, size) if options.data else load_cifar10(PROJECT / "data")
    training, validation = split_training_images(
        data.train.labels, data.class_names, options.validation_images, options.limit
    )
    _arrays(data.train.subset(training)).save(directory, "training")
    _arrays(data.train.subset(validation)).save(directory, "validation")
    return len(training), len(validation)


def _arrays(images: LabelledImages) -> Arrays:
    return Arrays(
        images.pixels.permute(0, 2, 3, 1).contiguous().numpy(),
        images.labels.numpy(),
    )


def run_rounds(
    contestants: Sequence[Contestant], assignment: Assignment, rounds: int
) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """Run the programs in turns; one that fails is told of, and left out of the next rounds.

    Returns:
        The runs of each, and how those that failed ended, by name.
    """
    runs: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    failures: dict[str, str] = {}
    started = time.monotonic()
    for index in range(rounds):
        for contestant in contestants:
            if contestant.name in failures:
                continue
            heading = f"{contestant.name:<14} round {index + 1}/{rounds}"
            print(f"{elapsed(started)}  {heading}  starts", flush=True)
            show = epoch_shower(heading, assignment.epochs, started)
            try:
                runs[contestant.name].append(contestant.train(assignment, index, show))
            except ProgramError as error:
                failures[contestant.name] = str(error)
                print(f"{contestant.name} failed: {error}", file=sys.stderr, flush=True)
    return runs, failures


def epoch_shower(heading: str, epochs: int, started: float) -> Callable[[Epoch], None]:
    """Return what prints a line for an epoch, with the time since ``started`` (monotonic)."""

    def show(epoch: Epoch) -> None:
        print(
            f"{elapsed(started)}  {heading}  epoch {epoch.epoch:>2}/{epochs}  "
            f"{epoch.seconds:6.1f} s  validation accuracy {100 * epoch.validation_accuracy:.2f} %",
            flush=True,
        )

    return show


if __name__ == "__main__":
    interrupt_at_any_signal()
    sys.exit(main())
