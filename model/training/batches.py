"""The images that train and validate, and their batches: shuffled, augmented, and shared."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from model.command_line import progress
from model.data.dataset import LabelledImages, Splits
from model.data.splits import split_training_images
from model.networks import to_unit_range
from model.training import RunError
from model.training.augmentation import augment_in_groups, create_augmentation
from model.training.config import Config
from model.training.distributed import ProcessGroup

# Number of the step that is captured on a GPU, so that a dry run takes as many.
STEPS_UNTIL_CAPTURE = 4


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


def hold_out(splits: Splits, config: Config) -> tuple[LabelledImages, LabelledImages, Config]:
    """Return the training images, those held out for validation, and what suits their numbers.

    Raises:
        DataError: There are too few images.
        RunError: A refit is asked for, and nothing was held out.
    """
    images, number = splits["train"], config.validation_images
    if "validation" in splits and number == 0:
        raise RunError("--refit: nothing was held out, as the data has validation images already")
    if "validation" in splits and number is None:
        number = 0
    chosen, held_out = split_training_images(
        images.labels, images.class_names, number, config.limit
    )
    validation = images.subset(held_out)
    if number == 0:
        validation = splits.get("validation", validation)
    config = config.adapted_to(len(chosen), len(validation))
    if config.dry_run:
        # One batch, or on a GPU as many as it takes until a step is captured.
        on_gpu = config.device != "cpu" and torch.cuda.is_available()
        steps = STEPS_UNTIL_CAPTURE if on_gpu else 1
        chosen = chosen[torch.arange(steps * config.batch_size) % len(chosen)]
    return images.subset(chosen), validation, config


def batches(
    images: LabelledImages, config: Config, epoch: int, steps_done: int, processes: ProcessGroup
) -> Iterator[Batch]:
    """Yield the batches of an epoch that are left, each image of the epoch once.

    The order follows from the seed and the epoch, which counts from 1. The augmentation is drawn
    from PyTorch's generator for the CPU when a batch is asked for; as all processes draw for the
    whole batch, they draw the same. ``steps_done`` batches were trained on before.
    """
    # The large factor keeps the epochs of one seed from repeating those of another.
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    order = torch.randperm(len(images), generator=generator)
    augmentation = create_augmentation(config.recipe, images.store.shape[-1])
    # One mirror image follows the other, by epochs, where the recipe says so.
    generator.manual_seed(config.seed)
    is_mirrored = (torch.randint(2, (len(images),), generator=generator) + epoch) % 2 == 1
    starts = range(0, len(order), config.batch_size)[steps_done:]
    for start in progress(starts, f"epoch {epoch}/{config.epochs}", "steps", done=steps_done):
        indices = order[start : start + config.batch_size].to(images.labels.device)
        batch = images.subset(indices)
        pixels = to_unit_range(batch.pixels)
        if config.recipe.alternate_mirroring:
            mirrored = is_mirrored[indices.cpu()].to(pixels.device)[:, None, None, None]
            pixels = torch.where(mirrored, pixels.flip(-1), pixels)
        augmented = augment_in_groups(augmentation, pixels)
        part = processes.own_part(len(indices))
        own = augmented[part].contiguous(memory_format=torch.channels_last)
        yield Batch(own, batch.labels[part], len(indices))


def weigh_classes(images: LabelledImages, num_classes: int, weights: str) -> Tensor | None:
    """Return the weights of the classes in a loss, float ``(num_classes,)``.

    With ``balanced``, all classes weigh the same, however many images they have; else None.
    """
    counts = torch.bincount(images.labels, minlength=num_classes).clamp(min=1)
    return len(images) / (num_classes * counts) if weights == "balanced" else None
