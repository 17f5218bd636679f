"""The configuration of a training, which its run keeps in ``config.json``.

A ``Config`` never changes; what is only known later, such as the precision that ``auto`` stands
for, makes a new one.
"""

import argparse
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model import BEST_ARCHIVE, PROJECT
from model.command_line import number, whole_number
from model.networks.reference_cnn import ReferenceCNN
from model.networks.torchvision_network import FAMILIES, PREFIX, is_torchvision_network
from model.training import RunError
from model.training.recipes import RECIPES, Recipe, option

CONFIG_FILE_NAME = "config.json"
# Number of training images below which a training starts from trained weights by default, and
# batches are small.
FEW_IMAGES = 2560
# Sides in pixels that pictures may be trained at.
IMAGE_SIZES = (ReferenceCNN.image_size, 48, 64, 96, 128)
# Side at which a network of torchvision trains by default, as it has seen pictures of 224 pixels.
PRETRAINED_IMAGE_SIZE = 128
# Largest number of pixels in a step by default, as its memory grows with them.
STEP_PIXELS = 500 * 32 * 32
# Largest number of so few images in a step of a training that begins with nothing.
SMALL_BATCH_SIZE = 16
# Number of validation images below which the best epoch would be chosen by chance: with a hundred,
# an accuracy is known to 4 points.
LEAST_VALIDATION_IMAGES = 100
# Number of steps that a default training waits at least for a lower validation loss.
LEAST_PATIENCE_STEPS = 100


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
