"""The images that a model is evaluated with, labelled by its own classes."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from model.command_line import CommandError, visible
from model.data.cifar10 import load_cifar10
from model.data.dataset import LabelledImages
from model.data.folders import load_splits
from model.data.tested_files import are_test_files
from model.inference.card import ModelCard


def load_images(
    data: Path | None,
    model: Path,
    card: ModelCard,
    *,
    split: str = "test",
    skip_unreadable: bool = False,
) -> tuple[LabelledImages, str]:
    """Return the images to evaluate, and what they are.

    Args:
        data: A folder-per-class tree; None for CIFAR-10.
        model: A run, which knows what it was tested with, or an archive.
        card: The card with the size of the images and the classes that label them.
        split: ``test`` for the test images, or those of the run, or else all; or ``all``.
        skip_unreadable: Whether to leave out files that can't be read.

    Raises:
        CommandError: The images can't be used, or the card lacks one of their classes.
    """
    if data:
        splits = load_splits(
            data, card.image_size, skip_unreadable=skip_unreadable, test_alone=split == "test"
        )
    else:
        splits = load_cifar10(Path("data"))
    if split == "test" and "test" in splits:
        splits = {"test": splits["test"]}
    labels = [find_classes(each.class_names, card)[each.labels] for each in splits.values()]
    names = [name for each in splits.values() for name in each.names]
    pixels = torch.cat([each.pixels for each in splits.values()])
    images = LabelledImages(pixels, torch.cat(labels), None, card.class_names, names)
    if split == "all":
        return images, "all images"
    if "test" in splits:
        return images, "test images"
    recorded = are_test_files(model, names)
    if not any(recorded):
        return images, "all images"
    print(
        f"{data} has no test/ folder: {recorded.count(True):,} of its {len(names):,} "
        f"images are the test split of {model}"
    )
    return images.subset(torch.tensor(recorded).nonzero()[:, 0]), "test images"


def find_classes(names: Sequence[str], card: ModelCard) -> Tensor:
    """Return the index of each name among the card's classes, int64; refuse one that it lacks."""
    index_by_name = {name: index for index, name in enumerate(card.class_names)}
    if unknown := [name for name in names if name not in index_by_name]:
        raise CommandError(
            f"the model does not know {list_names(unknown)}; it knows "
            f"{list_names(card.class_names)}. Give the folders the names of its classes."
        )
    return torch.tensor([index_by_name[name] for name in names])


def list_names(names: Sequence[str], most: int = 20) -> str:
    """Return the names of classes for a message, the first ones if they are many."""
    shown = ", ".join(map(visible, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
