"""The options of ``train.py``: what they mean, and what values make sense."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from model.precision import PRECISIONS
from model.recipes import RECIPES, Recipe

EPILOG = """\
examples:
  python train.py                     download CIFAR-10, train 10 epochs, report
  python train.py --data DIR          the same from DIR/train/<class>/ and DIR/test/<class>/
  python train.py --recipe original   the settings of the original Keras program
  python train.py --data DIR --dry-run   does everything work here? One batch, in seconds
  python train.py --epochs 40 --name long
  python train.py --resume runs/long  go on where it was stopped; with --epochs 60 also when done
  python train.py --refit runs/long   once more, on all training images: nothing held out
  torchrun --nproc-per-node 4 train.py --data DIR      on four GPUs, or four processes on CPUs
then:
  python -m model.evaluate runs/NAME --data DIR   see which pictures it gets wrong
  python -m model.archive runs/NAME               make model_store/cifar10.mar, to be served
"""

# What may be given together with these options, which take everything else from an earlier run.
CHANGEABLE = {
    "resume": {"data", "epochs", "no_test", "device", "checkpoint_seconds"},
    "refit": {
        "data",
        "skip_unreadable",
        "no_test",
        "runs",
        "name",
        "dry_run",
        "device",
        "precision",
        "checkpoint_seconds",
    },
}


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Print ``message`` to stderr and exit with 2."""
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line of ``train.py``; a wrong value exits with 2."""
    parser = create_parser()
    options = parser.parse_args(arguments)
    if options.data and not options.data.is_dir():
        parser.error(f"--data: {options.data} is no folder")
    # Where the run lies, and the learning rate of each epoch, when they are known.
    options.run, options.learning_rates = None, None
    options.given = _given(arguments)
    for flag, changeable in CHANGEABLE.items():
        earlier = getattr(options, flag)
        if earlier is None:
            continue
        if not (earlier / "config.json").is_file():
            parser.error(f"--{flag}: {earlier} is no run of train.py")
        for name in sorted(options.given - changeable - {flag}):
            option = "--" + name.replace("_", "-")
            parser.error(f"--{flag} takes the settings of {earlier}; leave out {option}")
    return options


def _given(arguments: Sequence[str] | None) -> set[str]:
    """Name the options that stand on the command line."""
    parser = create_parser()
    not_given = object()
    names = vars(parser.parse_args([]))
    parsed = vars(
        parser.parse_args(arguments, argparse.Namespace(**dict.fromkeys(names, not_given)))
    )
    return {name for name, value in parsed.items() if value is not not_given}


def create_parser() -> OneLineParser:
    """Return the parser of the command line of ``train.py``."""
    parser = OneLineParser(
        prog="train.py",
        description="Train the reference CNN, report on the test split, keep all of it in a run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_data_options(parser)
    _add_training_options(parser)
    _add_run_options(parser)
    _add_recipe_options(parser)
    _add_machine_options(parser)
    return parser


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """Return the recipe that ``options`` name, with the single settings they change."""
    changed = {
        name: getattr(options, name)
        for name in Recipe.__dataclass_fields__
        if getattr(options, name, None) is not None
    }
    return replace(RECIPES[options.recipe], **changed)


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder-per-class tree: DIR/train/<class>/* and DIR/test/<class>/*, or DIR/<class>/*, "
        "of which a fifth is held out as the test split then; decoded pixels are cached in "
        "DIR/.decoded (default: CIFAR-10, downloaded to data/)",
    )
    group.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="leave out files that can't be read as pictures, instead of stopping",
    )
    group.add_argument(
        "--limit",
        type=_whole_number(1),
        metavar="N",
        help="train on N images only, every class in proportion; the validation and test splits "
        "stay what they are",
    )
    group.add_argument(
        "--validation-images",
        type=_whole_number(1),
        metavar="N",
        help="training images held out, every class in proportion, to choose the epoch and steer "
        "the learning rate (default: a tenth)",
    )
    group.add_argument(
        "--no-test",
        action="store_true",
        help="leave the test split alone: for experiments, so that nothing is chosen by it",
    )


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    group.add_argument(
        "--epochs",
        type=_whole_number(1),
        default=10,
        help="passes over the training images (default: 10)",
    )
    group.add_argument(
        "--batch-size",
        type=_whole_number(1),
        default=64,
        help="images in a step of the optimiser (default: 64)",
    )
    group.add_argument(
        "--seed",
        type=_whole_number(0, 2**32 - 1),
        default=0,
        help="of the initial weights, the order and the augmentation (default: 0)",
    )
    again = group.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="go on where RUN was stopped or killed, with its settings, as if nothing had "
        "happened; with more --epochs also after its end",
    )
    again.add_argument(
        "--refit",
        type=Path,
        metavar="RUN",
        help="train once more as RUN did, with its settings and its learning rates up to its best "
        "epoch, but on all training images, the validation split included",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="pass one batch through everything, reports and archive included, to see in seconds "
        "that a training will not fail in the end",
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    group.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="where runs are kept (default: runs/)",
    )
    group.add_argument(
        "--name", help="of the run, a new folder in --runs (default: recipe, date and time)"
    )
    group.add_argument(
        "--checkpoint-seconds",
        type=_number(least=0),
        default=60.0,
        metavar="SECONDS",
        help="time between checkpoints, which is what a kill can cost; there is one after each "
        "epoch in any case (default: 60)",
    )


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "recipe", "The defaults of the options below are the recipe's, see model/recipes.py."
    )
    group.add_argument(
        "--recipe",
        choices=RECIPES,
        default="reference",
        help="original: the original Keras program's settings; reference: the same net trained as "
        "well as we know (default: reference)",
    )
    group.add_argument(
        "--learning-rate", type=_number(above=0), help="Adam's, at the start, above 0"
    )
    group.add_argument(
        "--weight-decay",
        type=_number(least=0),
        help="share of the weights that is added to their gradients, as L2 does",
    )
    group.add_argument(
        "--dropout", type=_number(least=0, below=1), help="of the dense layer, in [0, 1)"
    )
    group.add_argument(
        "--label-smoothing", type=_number(least=0, below=1), help="of the targets, in [0, 1)"
    )
    group.add_argument(
        "--average-decay",
        type=_number(least=0, below=1),
        help="decay of the moving average of the weights per step; 0 for none",
    )
    group.add_argument(
        "--plateau-patience",
        type=_whole_number(0),
        help="epochs in a row without a better validation loss that are tolerated before the "
        "learning rate is reduced",
    )
    group.add_argument(
        "--plateau-factor",
        type=_number(above=0, below=1),
        help="what the learning rate is multiplied with then",
    )
    group.add_argument(
        "--plateau-threshold",
        type=_number(least=0, below=1),
        help="share of the best loss that a loss must be below it to count as better",
    )


def _add_machine_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto takes the GPU if there is one (default: auto)",
    )
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="bf16 is faster where the hardware has it, which auto finds out; fp32 runs "
        "everywhere (default: auto)",
    )


def at_least_one(text: str) -> int:
    """Parse a whole number of at least 1, in plain digits; raises ``ArgumentTypeError``."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at least 1")
    return int(text)


def _whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is no whole number of at least {least}")
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(f"{text} is more than {most}")
        return value

    return parse


def _number(
    *, least: float | None = None, above: float | None = None, below: float | None = None
) -> Callable[[str], float]:
    limits = [("at least", least), ("above", above), ("below", below)]
    wanted = " and ".join(f"{name} {limit:g}" for name, limit in limits if limit is not None)

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text} is no number") from None
        # Written so that NaN, which compares as false, is refused as well.
        fits = (
            (least is None or value >= least)
            and (above is None or value > above)
            and (below is None or value < below)
        )
        if not fits or value == float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not {wanted}")
        return value

    return parse
