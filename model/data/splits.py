"""The split of the images into those that train, those that validate and those that test."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.data.dataset import DataError

# Shares of the images that are held out by default.
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1


def split_training_images(
    labels: Tensor, class_names: Sequence[str], validation_images: int | None, limit: int | None
) -> tuple[Tensor, Tensor]:
    """Split the indices of training images into those that train and those that validate, sorted.

    Args:
        labels: int64 ``(N,)``, indices of the ``class_names``.
        class_names: Names of the classes.
        validation_images: Number of images that are held out; None for a tenth; 0 for a refit.
        limit: Maximum number of images that train; None for all that are not held out.

    Raises:
        DataError: A class is too small, or a number doesn't fit the images.
    """
    training, validation = torch.arange(len(labels)), torch.empty(0, dtype=torch.int64)
    if validation_images != 0:
        size = validation_images or _share(labels, VALIDATION_SHARE)
        training, validation = stratified_split(labels, size, class_names, "validation")
    if limit is not None:
        if limit < len(class_names):
            raise DataError(
                f"{limit} training images are too few for {len(class_names)} classes; every class "
                "needs at least one. Raise --limit."
            )
        training = training[stratified_order(labels[training])[:limit]].sort().values
    return training, validation


def split_test_images(labels: Tensor, class_names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Split the indices of images into those that remain and a fifth that tests.

    Raises:
        DataError: A class has fewer than three images.
    """
    _require_images(labels, 3, class_names, "to train, to validate and to test")
    return stratified_split(labels, _share(labels, TEST_SHARE), class_names, "the test split")


def stratified_order(labels: Tensor) -> Tensor:
    """Order images so that every prefix of the order has the classes in proportion.

    One image of each class comes first and another one of each comes last, so that both parts have
    every class wherever the order is cut. Apart from that the order is random, but always the same:
    runs with different seeds have the same splits, and a smaller limit takes a subset of the images
    that a larger one takes.
    """
    shuffled = np.random.default_rng(0).permutation(len(labels))
    by_class = shuffled[np.argsort(labels.numpy()[shuffled], kind="stable")]
    counts = np.bincount(labels.numpy())
    last = np.repeat(counts - 1, counts)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    position = (rank + 0.5) / (last + 1)
    position[rank == last] = 1
    position[rank == 0] = 0
    return torch.from_numpy(by_class[np.argsort(position, kind="stable")])


def stratified_split(
    labels: Tensor, size: int, class_names: Sequence[str], purpose: str
) -> tuple[Tensor, Tensor]:
    """Split the indices of images in two parts that both have every class, in proportion.

    Returns:
        Two sorted int64 tensors: those that remain, and the ``size`` ones that are held out for a
        ``purpose`` such as validation.

    Raises:
        DataError: A class has a single image, or one of the parts would be too small.
    """
    _require_images(labels, 2, class_names, f"to hold out images for {purpose}")
    least, most = len(class_names), len(labels) - len(class_names)
    if not least <= size <= most:
        raise DataError(
            f"{size:,} of {len(labels):,} images can't be held out for {purpose}: with "
            f"{len(class_names)} classes, hold out {least:,} to {most:,}."
        )
    order = stratified_order(labels)
    return order[size:].sort().values, order[:size].sort().values


def _require_images(labels: Tensor, least: int, class_names: Sequence[str], purpose: str) -> None:
    counts = torch.bincount(labels, minlength=len(class_names)).tolist()
    named = zip(class_names, counts, strict=True)
    if small := [f"{name} ({count})" for name, count in named if count < least]:
        raise DataError(
            f"Too few images {purpose}: every class needs at least {least}. Add some to "
            f"{', '.join(small)}."
        )


def _share(labels: Tensor, share: float) -> int:
    """Return the number of images that ``share`` is, but at least one for each class."""
    return max(round(len(labels) * share), len(labels.unique()))
