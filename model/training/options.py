"""The command line of ``train.py``: its options, and what goes together."""

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from model import BEST_ARCHIVE
from model.command_line import OneLineParser
from model.networks.reference_cnn import ReferenceCNN
from model.networks.torchvision_network import PREFIX
from model.training import RunError
from model.training.config import CONFIG_FILE_NAME, FEW_IMAGES, PRETRAINED_IMAGE_SIZE, Config
from model.training.recipes import PRETRAINED, RECIPES, Recipe

# Least side for a network of torchvision, as the exporter takes a single position that is left for
# the rule.
LEAST_PRETRAINED_IMAGE_SIZE = 64
# Groups of options by the first of each.
GROUPS = {"data": "data", "epochs": "training", "runs": "run", "device": "machine"}
EPILOG = """\
examples:
  python train.py                     download CIFAR-10, train for 10 epochs, report
  python train.py --data DIR          the same with DIR/train/<class>/ and DIR/test/<class>/
  python train.py --data DIR --dry-run   read everything, then pass one batch through it all
  python train.py --resume runs/long  continue a run; with --epochs 60 a finished one, too
  torchrun --nproc-per-node 4 train.py --data DIR      on four GPUs, or in four processes on CPUs
"""
# Names of the settings that may be given with --resume and --refit; the run decides all others.
ALLOWED_WITH = {
    "resume": {"data", "epochs", "no_test", "device", "threads", "checkpoint_seconds"},
    "refit": {
        *("data", "skip_unreadable", "no_test", "runs", "name", "dry_run", "device", "precision"),
        *("threads", "checkpoint_seconds"),
    },
}


def parse_config(arguments: Sequence[str] | None) -> tuple[Config, Path | None]:
    """Parse and check the command line of ``train.py``.

    Returns:
        The configuration, and the run that is resumed with it, if one is.

    Raises:
        SystemExit: With 2 where a value is wrong.
        RunError: The configuration of the run that is resumed or refitted can't be used.
    """
    parser = create_parser()
    given = vars(parser.parse_args(arguments))
    for flag, allowed in ALLOWED_WITH.items():
        for name in sorted(given.keys() - allowed - {flag}) if flag in given else ():
            parser.error(f"--{flag} takes the settings of {given[flag]}; leave out {_flag(name)}")
    resume: Path | None = given.pop("resume", None)
    earlier = resume or given.get("refit")
    if earlier and not (earlier / CONFIG_FILE_NAME).is_file():
        parser.error(f"{earlier} is not a run of train.py")
    config = Config.load(earlier) if earlier else Config()
    if "refit" in given:
        config = replace(config, name="", dry_run=False, no_test=False, threads=None)
    settings = given.keys() & (Recipe.__dataclass_fields__.keys() - {"name"})
    chosen = settings or given.keys() & {"recipe", "start_from"}
    is_recipe_free = "data" in given and not (earlier or chosen)
    recipe = config.recipe if earlier else _choose_recipe(parser, given)
    recipe = replace(recipe, **{name: given.pop(name) for name in settings})
    config = replace(config, **given, recipe=recipe, is_recipe_free=is_recipe_free)
    if resume and "epochs" in given and (config.replayed_losses or not recipe.trains_reference_cnn):
        raise RunError(
            f"--epochs {config.epochs}: the learning rates of {resume} are planned for the epochs "
            "that it began with; start a new run"
        )
    if config.data and not config.data.is_dir():
        parser.error(f"--data: {config.data} is not a folder")
    return config, resume


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _choose_recipe(parser: OneLineParser, given: dict[str, Any]) -> Recipe:
    """Return the recipe that is asked for, and let one that needs trained weights have some."""
    start = str(given.get("start_from"))
    is_pretrained = start.startswith(PREFIX)
    if is_pretrained:
        given.setdefault("image_size", PRETRAINED_IMAGE_SIZE)
    is_large = given.get("image_size", ReferenceCNN.image_size) != ReferenceCNN.image_size
    is_fine_tuned = is_large or "start_from" in given
    name = given.pop("recipe", "fine-tuned" if is_fine_tuned else "tuned")
    if "start_from" in given and name != "fine-tuned":
        parser.error(f"--start-from: the recipe {name} starts from nothing; leave out one of both")
    if is_large and RECIPES[name].trains_reference_cnn:
        parser.error(
            f"--image-size: the recipe {name} trains a network that sees {ReferenceCNN.image_size} "
            "pixels; use --recipe strong or fine-tuned"
        )
    if is_large and "data" not in given:
        parser.error("--image-size: CIFAR-10 has no larger images; give your own with --data")
    if is_pretrained and given["image_size"] < LEAST_PRETRAINED_IMAGE_SIZE:
        parser.error(f"--image-size: {start} needs {LEAST_PRETRAINED_IMAGE_SIZE} pixels or more")
    if name == "fine-tuned":
        given.setdefault("start_from", BEST_ARCHIVE)
    return replace(PRETRAINED, architecture=start) if is_pretrained else RECIPES[name]


def create_parser() -> OneLineParser:
    """Return the parser of the command line of ``train.py``; it leaves out what is not given."""
    description = "Train a network, report on the test split, keep everything in a run."
    parser = OneLineParser("train.py", description, EPILOG)
    parser.argument_default = argparse.SUPPRESS
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="continue RUN, which was stopped or killed, with its settings, as if nothing had "
        "happened; with more --epochs, a finished run continues, too",
    )
    for declared in fields(Config):
        if declared.name in GROUPS:
            group = parser.add_argument_group(GROUPS[declared.name])
        if declared.metadata:
            group.add_argument(_flag(declared.name), **declared.metadata)
    about = "the settings of the recipe are in model/training/recipes.py"
    recipe = parser.add_argument_group("recipe", about)
    recipe.add_argument(
        "--recipe",
        choices=RECIPES,
        help="original: the settings of the original Keras program; tuned: better settings for the "
        "same network; strong: a network that is right more often, and takes minutes on a GPU, or "
        "hours without one; "
        "fine-tuned: the same network, trained further on your own classes (default: tuned, or "
        f"fine-tuned where --data has fewer than {FEW_IMAGES:,} training images)",
    )
    recipe.add_argument(
        "--from-scratch",
        dest="recipe",
        action="store_const",
        const="tuned",
        help="the same as --recipe tuned: with few images, too, start from nothing",
    )
    for setting in fields(Recipe):
        if setting.metadata:
            recipe.add_argument(_flag(setting.name), **setting.metadata)
    return parser
