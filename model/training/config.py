"""The configuration of a training: from the command line to ``config.json`` and back.

A ``Config`` never changes; what is only known later, such as the precision that ``auto`` stands
for, makes a new one.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from model import BEST_ARCHIVE, PROJECT
from model.command_line import OneLineParser, number, whole_number
from model.networks.reference_cnn import ReferenceCNN
from model.networks.torchvision_network import FAMILIES, PREFIX, is_torchvision_network
from model.training import RunError
from model.training.recipes import PRETRAINED, RECIPES, Recipe, option

CONFIG_FILE_NAME = "config.json"
# Number of training images below which a training starts from trained weights by default, and
# batches are small.
FEW_IMAGES = 2560
# Sides in pixels that pictures may be trained at.
IMAGE_SIZES = (ReferenceCNN.image_size, 48, 64, 96, 128)
# Side at which a network of torchvision trains by default, as it has seen pictures of 224 pixels,
# and the least one, as the exporter takes a single position that is left for the rule.
PRETRAINED_IMAGE_SIZE, LEAST_PRETRAINED_IMAGE_SIZE = 128, 64
# Largest number of pixels in a step by default, as its memory grows with them.
STEP_PIXELS = 500 * 32 * 32
# Largest number of so few images in a step of a training that begins with nothing.
SMALL_BATCH_SIZE = 16
# Number of validation images below which the best epoch would be chosen by chance: with a hundred,
# an accuracy is known to 4 points.
LEAST_VALIDATION_IMAGES = 100
# Number of steps that a default training waits at least for a lower validation loss.
LEAST_PATIENCE_STEPS = 100
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


def _folder_name(text: str) -> str:
    if text != Path(text).name or text == "..":
        raise argparse.ArgumentTypeError(f"{text} is not the name of a folder")
    return text


def _start(text: str) -> Path:
    if not text.startswith(PREFIX):
        return Path(text).absolute()
    if not is_torchvision_network(text):
        raise argparse.ArgumentTypeError(f"{text} is none of torchvision's {', '.join(FAMILIES)}")
    return Path(text)


@dataclass(frozen=True)
class Config:
    """All that decides how a run goes, but for the machine and the versions that it runs on."""

    data: Path | None = option(
        "folder-per-class tree: DIR/train/<class>/* and DIR/test/<class>/*, or DIR/<class>/*, of "
        "which a fifth is then held out as the test split (default: CIFAR-10, downloaded to data/)",
        parse=lambda text: Path(text).absolute(),
        metavar="DIR",
    )
    image_size: int = option(
        "shorter side in pixels of what the network sees of your pictures; above "
        f"{ReferenceCNN.image_size}, the recipe is fine-tuned by default "
        f"(default: {ReferenceCNN.image_size}; {PRETRAINED_IMAGE_SIZE} for torchvision's networks)",
        ReferenceCNN.image_size,
        int,
        choices=IMAGE_SIZES,
    )
    skip_unreadable: bool = option(
        "leave out files that can't be read as pictures instead of stopping", default=False
    )
    limit: int | None = option(
        "train on N images only, with every class in proportion",
        parse=whole_number(),
        metavar="N",
    )
    validation_images: int | None = option(
        "number of training images that are held out to choose the best epoch and adapt the "
        "learning rate (default: a tenth, or the folder val/)",
        parse=whole_number(),
    )
    no_test: bool = option(
        "don't use the test split, so that nothing is chosen by it", default=False
    )
    class_weights: str = option(
        "balanced: all classes weigh the same in the loss, however rare (default: none)",
        "none",
        choices=("none", "balanced"),
    )
    epochs: int = option(
        "number of passes over the training images (default: the recipe's, or more where these "
        "are too few steps)",
        0,
        whole_number(),
    )
    batch_size: int = option(
        "number of images in a step of the optimiser (default: the recipe's, which is smaller for "
        f"fewer than {FEW_IMAGES:,} images, and for large ones)",
        0,
        whole_number(),
    )
    seed: int = option(
        "seed of the initial weights, the order and the augmentation (default: 0)",
        0,
        whole_number(0, 2**32 - 1),
    )
    refit: Path | None = option(
        "train again with the settings of RUN and its learning rates up to its best epoch, but on "
        "all training images, including those that RUN held out",
        parse=Path,
        metavar="RUN",
    )
    start_from: Path | None = option(
        "archive or run whose network is trained further, with a new last layer for your classes; "
        "or torchvision:NAME, such as torchvision:mobilenet_v3_small, which is downloaded "
        f"(default: {BEST_ARCHIVE.relative_to(PROJECT)} where --data has few images)",
        parse=_start,
        metavar="MODEL",
    )
    dry_run: bool = option(
        "read all pictures, then pass one batch through everything, reports and archive included",
        default=False,
    )
    runs: Path = option("folder of all runs (default: runs/)", Path("runs"), Path, metavar="DIR")
    name: str = option(
        "name of the run, a new folder in --runs (default: recipe, date and time)",
        "",
        _folder_name,
    )
    checkpoint_seconds: float = option(
        "time between checkpoints, which is the most that a kill can cost (default: 60)",
        60.0,
        number(least=0),
        metavar="SECONDS",
    )
    recipe: Recipe = RECIPES["tuned"]
    device: str = option(
        "auto uses the GPU if there is one (default: auto)", "auto", choices=("auto", "cpu", "cuda")
    )
    precision: str = option(
        "auto uses bf16 where the hardware has it, which is faster, and else fp32 (default: auto)",
        "auto",
        choices=("auto", "fp32", "bf16"),
    )
    threads: int | None = option(
        "number of threads that compute on the CPU; fewer are faster where other programs keep the "
        "cores busy (default: one for each core)",
        parse=whole_number(),
    )
    replayed_losses: tuple[float, ...] = ()
    """Validation losses of the run that is refitted, which set the learning rates again."""
    is_recipe_free: bool = False
    """Whether the number of images decides on the recipe, as the command line did not."""

    @property
    def description(self) -> str:
        """The name of the recipe, and what the training starts from."""
        start = f", starting from {self.start_from.name}" if self.start_from else ""
        return self.recipe.name + start

    def adapted_to(self, images: int, validation_images: int) -> "Config":
        """Return the configuration with what was not given, by how many images train and validate.

        With few ``validation_images``, no epoch can be chosen by them, and the last is kept.
        """
        recipe, start_from = self.recipe, self.start_from
        are_few = images < FEW_IMAGES
        if self.is_recipe_free and are_few:
            recipe, start_from = RECIPES["fine-tuned"], BEST_ARCHIVE
        most = SMALL_BATCH_SIZE if are_few and not start_from else recipe.default_batch_size
        most = min(most, STEP_PIXELS // self.image_size**2)
        # Even batches, as a last one of a single image would spoil what normalisations measure.
        batch_size = self.batch_size or math.ceil(images / math.ceil(images / most))
        keep_last = recipe.keep_last or validation_images < LEAST_VALIDATION_IMAGES
        epochs, patience = 1 if self.dry_run else self.epochs, recipe.plateau_patience
        if not epochs:
            steps = math.ceil(images / batch_size)
            epochs = max(recipe.default_epochs, math.ceil(recipe.least_steps / steps))
            patience = max(patience, math.ceil(LEAST_PATIENCE_STEPS / steps))
        recipe = replace(recipe, keep_last=keep_last, plateau_patience=patience)
        adapted: dict[str, Any] = {"recipe": recipe, "batch_size": batch_size, "epochs": epochs}
        return replace(self, **adapted, is_recipe_free=False, start_from=start_from)

    def to_json(self, environment: dict[str, Any]) -> str:
        """Return the configuration as JSON, with what else changes the last bits of a result."""
        values = {**asdict(self), "environment": environment}
        return json.dumps(values, indent=2, default=str) + "\n"

    @classmethod
    def load(cls, run: Path) -> "Config":
        """Read the configuration of a run, which may have settings that recipes no longer have.

        Raises:
            RunError: The file is missing or damaged, or of another version of this program.
        """
        try:
            values = json.loads((run / CONFIG_FILE_NAME).read_text(encoding="utf-8"))
            del values["environment"]
            for name in {"data", "refit", "runs", "start_from"} & values.keys():
                values[name] = values[name] and Path(values[name])
            recipe = values["recipe"]
            known = {name: recipe[name] for name in Recipe.__dataclass_fields__ if name in recipe}
            values["recipe"] = replace(RECIPES[recipe["name"]], **known)
            values["replayed_losses"] = tuple(values["replayed_losses"])
            return cls(**values)
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                f"{run / CONFIG_FILE_NAME} can't be read, or is of another version of this program "
                f"({error}); start a new run"
            ) from error


def parse_config(arguments: Sequence[str] | None = None) -> tuple[Config, Path | None]:
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
