"""The options of ``train.py``: what they mean, and which values they accept."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from model.command_line import OneLineParser, number, whole_number
from model.training.devices import PRECISIONS
from model.training.recipes import RECIPES, Recipe

EPILOG = """\
examples:
  python train.py                     download CIFAR-10, train for 10 epochs, report
  python train.py --data DIR          the same with DIR/train/<class>/ and DIR/test/<class>/
  python train.py --recipe original   the settings of the original Keras program
  python train.py --data DIR --dry-run   pass one batch through everything, in seconds
  python train.py --epochs 40 --name long
  python train.py --resume runs/long  continue a run; with --epochs 60 a finished one, too
  python train.py --refit runs/long   train again on all training images, with nothing held out
  torchrun --nproc-per-node 4 train.py --data DIR      on four GPUs, or in four processes on CPUs
then:
  python -m model.evaluate runs/NAME --data DIR   see which pictures it gets wrong
  python -m model.archive runs/NAME               make model_store/cifar10.mar, which is served
"""

# Names of the options that may be given with --resume and --refit; a run decides all others.
ALLOWED_WITH = {
    "resume": {"data", "epochs", "no_test", "device", "checkpoint_seconds"},
    "refit": {
        *("data", "skip_unreadable", "no_test", "runs", "name", "dry_run", "device", "precision"),
        "checkpoint_seconds",
    },
}


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line of ``train.py``.

    Args:
        arguments: the command line without the program's name; None for ``sys.argv``.

    Returns:
        The options, and beside them: ``run``, the folder of the run, and ``learning_rates``, one
        for each epoch, which are both None until they are known; and ``given``, the names of the
        options on the command line.

    Raises:
        SystemExit: with 2 where a value is wrong.
    """
    parser = create_parser()
    options = parser.parse_args(arguments)
    if options.data and not options.data.is_dir():
        parser.error(f"--data: {options.data} is not a folder")
    # Options that are not on the command line keep this default.
    not_given = object()
    defaults = argparse.Namespace(**dict.fromkeys(vars(options), not_given))
    parsed = vars(parser.parse_args(arguments, defaults))
    options.given = {name for name, value in parsed.items() if value is not not_given}
    options.run, options.learning_rates = None, None
    for flag, allowed in ALLOWED_WITH.items():
        earlier = getattr(options, flag)
        if earlier is None:
            continue
        if not (earlier / "config.json").is_file():
            parser.error(f"--{flag}: {earlier} is not a run of train.py")
        for name in sorted(options.given - allowed - {flag}):
            option = "--" + name.replace("_", "-")
            parser.error(f"--{flag} takes the settings of {earlier}; leave out {option}")
    return options


def create_parser() -> OneLineParser:
    """Return the parser of the command line of ``train.py``."""
    description = "Train the reference CNN, report on the test split, keep everything in a run."
    parser = OneLineParser("train.py", description, EPILOG)
    _add_data_options(parser)
    _add_training_options(parser)
    _add_run_options(parser)
    _add_recipe_options(parser)
    _add_machine_options(parser)
    return parser


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """Return the recipe that ``options`` name, with the settings that other options change."""
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
        "of which a fifth is then held out as the test split; decoded pixels are cached in "
        "DIR/.decoded (default: CIFAR-10, downloaded to data/)",
    )
    group.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="leave out files that can't be read as pictures instead of stopping",
    )
    group.add_argument(
        "--limit",
        type=whole_number(),
        metavar="N",
        help="train on N images only, with every class in proportion; the validation and test "
        "splits don't change",
    )
    group.add_argument(
        "--validation-images",
        type=whole_number(),
        metavar="N",
        help="number of training images that are held out, with every class in proportion, to "
        "choose the best epoch and adapt the learning rate (default: a tenth)",
    )
    group.add_argument(
        "--no-test",
        action="store_true",
        help="don't use the test split; for experiments, so that nothing is chosen by it",
    )


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    group.add_argument(
        "--epochs",
        type=whole_number(),
        default=10,
        help="number of passes over the training images (default: 10)",
    )
    group.add_argument(
        "--batch-size",
        type=whole_number(),
        default=64,
        help="number of images in a step of the optimiser (default: 64)",
    )
    group.add_argument(
        "--seed",
        type=whole_number(0, 2**32 - 1),
        default=0,
        help="seed of the initial weights, the order and the augmentation (default: 0)",
    )
    earlier_run = group.add_mutually_exclusive_group()
    earlier_run.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="continue RUN, which was stopped or killed, with its settings, as if nothing had "
        "happened; with more --epochs, a finished run continues, too",
    )
    earlier_run.add_argument(
        "--refit",
        type=Path,
        metavar="RUN",
        help="train again with the settings of RUN and its learning rates up to its best epoch, "
        "but on all training images, including those that RUN held out",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="pass one batch through everything, including the reports and the archive, to see in "
        "seconds that a training will not fail at the end",
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    group.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder of all runs (default: runs/)",
    )
    group.add_argument(
        "--name", help="name of the run, a new folder in --runs (default: recipe, date and time)"
    )
    group.add_argument(
        "--checkpoint-seconds",
        type=number(least=0),
        default=60.0,
        metavar="SECONDS",
        help="time between checkpoints, which is the most that a kill can cost; each epoch ends "
        "with one in any case (default: 60)",
    )


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "recipe",
        "The options below change single settings of the recipe; see model/training/recipes.py.",
    )
    group.add_argument(
        "--recipe",
        choices=RECIPES,
        default="tuned",
        help="original: the settings of the original Keras program; tuned: better settings for the "
        "same network (default: tuned)",
    )
    group.add_argument(
        "--learning-rate", type=number(above=0), help="learning rate of Adam at the start, above 0"
    )
    group.add_argument(
        "--weight-decay",
        type=number(least=0),
        help="share of the weights that is added to their gradients, as L2 regularisation does",
    )
    group.add_argument(
        "--dropout", type=number(least=0, below=1), help="dropout of the dense layer, in [0, 1)"
    )
    group.add_argument(
        "--label-smoothing",
        type=number(least=0, below=1),
        help="share of the targets that is spread over all classes, in [0, 1)",
    )
    group.add_argument(
        "--average-decay",
        type=number(least=0, below=1),
        help="decay per step of the moving average of the weights; 0 for no average",
    )
    group.add_argument(
        "--plateau-patience",
        type=whole_number(0),
        help="number of epochs in a row without a better validation loss before the learning rate "
        "is reduced",
    )
    group.add_argument(
        "--plateau-factor",
        type=number(above=0, below=1),
        help="factor by which the learning rate is then multiplied",
    )
    group.add_argument(
        "--plateau-threshold",
        type=number(least=0, below=1),
        help="share of the best loss by which a loss must be lower to count as better",
    )


def _add_machine_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto uses the GPU if there is one (default: auto)",
    )
    group.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="auto uses bf16, which is faster, where the hardware has it, and else fp32, which "
        "runs everywhere (default: auto)",
    )
