"""The images that train and validate, and their batches: shuffled, augmented, and shared."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms import v2

from model.command_line import progress
from model.data.dataset import LabelledImages, Splits
from model.data.splits import split_training_images
from model.networks import to_unit_range
from model.training import RunError
from model.training.config import Config
from model.training.distributed import ProcessGroup
from model.training.recipes import Recipe

# Standard deviations of the noise, of which each group of images gets one.
NOISE_DEVIATIONS = (0.02, 0.05, 0.1)
# Value of pixels that an augmentation covers, or lets in from outside.
GREY = 0.5


class Batch(NamedTuple):
    """The part of a batch that this process computes, which may be empty, on its device.

    Attributes:
        images: float32 ``(N, 3, S, S)`` in [0, 1], channels last.
        labels: int64 ``(N,)``, class indices.
        size: Number of images in the whole batch, of all processes.
    """

    images: Tensor
    labels: Tensor
    size: int


def hold_out(splits: Splits, config: Config) -> tuple[LabelledImages, LabelledImages]:
    """Return the images that train, and those that validate: the validation split or some held out.

    Raises:
        DataError: There are too few images.
        RunError: A refit is asked for, and nothing was held out.
    """
    images, number = splits["train"], config.validation_images
    if "validation" in splits and number == 0:
        raise RunError("--refit: nothing was held out, as the data has validation images already")
    has_own = "validation" in splits and number is None
    training, held_out = split_training_images(
        images.labels, images.class_names, 0 if has_own else number, config.limit
    )
    validation = splits["validation"] if has_own else images.subset(held_out)
    return images.subset(training), validation


def batches(
    images: LabelledImages, config: Config, epoch: int, steps_done: int, processes: ProcessGroup
) -> Iterator[Batch]:
    """Yield the batches of an epoch that are left, each image of the epoch once.

    The order follows from the seed and the epoch, which counts from 1. The augmentation is drawn
    from PyTorch's generator when a batch is asked for; as all processes draw for the whole batch,
    they draw the same. ``steps_done`` batches were trained on before.
    """
    # The large factor keeps the epochs of one seed from repeating those of another.
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    order = torch.randperm(len(images), generator=generator)
    augmentation = create_augmentation(config.recipe, images.store.shape[-1])
    # One mirror image follows the other, by epochs, where the recipe says so (Jordan 2024).
    generator.manual_seed(config.seed)
    is_mirrored = (torch.randint(2, (len(images),), generator=generator) + epoch) % 2 == 1
    starts = range(0, len(order), config.batch_size)[steps_done:]
    for start in progress(starts, f"epoch {epoch}/{config.epochs}", "steps", done=steps_done):
        indices = order[start : start + config.batch_size].to(images.labels.device)
        batch = images.subset(indices)
        pixels = to_unit_range(batch.pixels)
        if not config.recipe.trains_reference_cnn:
            mirrored = is_mirrored[indices.cpu()].to(pixels.device)[:, None, None, None]
            pixels = torch.where(mirrored, pixels.flip(-1), pixels)
        augmented = torch.cat(
            [augmentation(group) for group in pixels.split(config.recipe.group_size)]
        )
        part = processes.own_part(len(indices))
        own = augmented[part].contiguous(memory_format=torch.channels_last)
        yield Batch(own, batch.labels[part], len(indices))


def create_augmentation(recipe: Recipe, side: int) -> v2.Transform:
    """Return the transform of float images ``(N, 3, side, side)`` in [0, 1], drawn once for all.

    Angles and shifts in whole pixels are uniform within ± the largest. Pixels from outside of an
    image repeat its edge, as ``fill_mode="nearest"`` does in Keras. A covered square is grey.
    """
    shift = round(recipe.translate * side)
    angle = math.radians(recipe.rotation_degrees)
    # Wide enough that no corner from outside of the padding turns into view.
    padding = math.ceil((side / 2 + shift) * (math.cos(angle) + math.sin(angle)) - side / 2)
    rotate = v2.RandomRotation(recipe.rotation_degrees, v2.InterpolationMode.BILINEAR)
    trivial_augment = v2.TrivialAugmentWide(
        interpolation=v2.InterpolationMode.BILINEAR, fill=[GREY] * 3
    )
    noise = v2.RandomChoice([v2.GaussianNoise(sigma=sigma) for sigma in NOISE_DEVIATIONS])
    area = (recipe.cutout**2,) * 2
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(0.5 if recipe.trains_reference_cnn else 0),
            v2.Pad(padding, padding_mode="edge"),
            v2.RandomApply([rotate], recipe.rotated),
            v2.CenterCrop(side + 2 * shift),
            v2.RandomCrop(side),
            v2.RandomApply([trivial_augment], recipe.trivial_augment),
            v2.RandomApply([noise], recipe.noise),
            v2.RandomErasing(float(recipe.cutout > 0), scale=area, ratio=(1, 1), value=GREY),
        ]
    )


def weigh_classes(images: LabelledImages, num_classes: int, weights: str) -> Tensor | None:
    """Return the weights of the classes in a loss, float ``(num_classes,)``.

    With ``balanced``, all classes weigh the same, however many images they have; else None.
    """
    counts = torch.bincount(images.labels, minlength=num_classes).clamp(min=1)
    return len(images) / (num_classes * counts) if weights == "balanced" else None
