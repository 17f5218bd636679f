"""Which images train, which steer the training, and which judge it in the end."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.data_error import DataError

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1


def split_training_images(
    labels: Tensor, class_names: Sequence[str], validation_images: int | None, limit: int | None
) -> tuple[Tensor, Tensor]:
    """Split the indices of training images into those that train and those that validate.

    Args:
        labels: int64 ``(N,)``, class indices.
        class_names: by class index.
        validation_images: how many are held out; None for a tenth; 0 for a refit.
        limit: how many train at most; None for all that are not held out.

    Returns:
        Two int64 tensors of indices: training and validation.

    Raises:
        DataError: a class is too small, or a number doesn't fit the images.
    """
    training, validation = torch.arange(len(labels)), torch.empty(0, dtype=torch.int64)
    if validation_images != 0:
        size = validation_images or _share(labels, VALIDATION_SHARE)
        training, validation = split_off(labels, size, class_names, "validation")
    if limit is not None:
        if limit < len(class_names):
            raise DataError(
                f"{limit} training images are too few for {len(class_names)} classes; every class "
                "needs one: raise --limit."
            )
        training = training[order_in_proportion(labels[training])[:limit]].sort().values
    return training, validation


def split_test_images(labels: Tensor, class_names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Split image indices into those that remain and a fifth that tests; raises ``DataError``."""
    require_images(labels, 3, class_names, "to train, to validate and to test")
    return split_off(labels, _share(labels, TEST_SHARE), class_names, "the test split")


def order_in_proportion(labels: Tensor) -> Tensor:
    """Order images so that every beginning of the order holds the classes in proportion.

    One image of each class comes first and another one of each comes last, so that wherever the
    order is cut, both parts know every class. Otherwise it is random, but always the same: runs of
    different seeds share their splits, no image changes sides between them, and a smaller limit
    takes a part of what a larger one takes.

    Args:
        labels: int64 ``(N,)``, class indices.

    Returns:
        int64 ``(N,)``, the indices 0 to N - 1.
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


def split_off(
    labels: Tensor, size: int, class_names: Sequence[str], purpose: str
) -> tuple[Tensor, Tensor]:
    """Split image indices in two, with every class in proportion, and at least one of it, in both.

    Args:
        labels: int64 ``(N,)``, class indices.
        size: images that are split off.
        class_names: by class index.
        purpose: what they are for, as ``validation``.

    Returns:
        Two int64 tensors of indices, sorted: those that remain, ``(N - size,)``, and those that are
        split off, ``(size,)``.

    Raises:
        DataError: a class has a single image, or one of the parts would be too small.
    """
    require_images(labels, 2, class_names, f"to hold out images for {purpose}")
    least, most = len(class_names), len(labels) - len(class_names)
    if not least <= size <= most:
        raise DataError(
            f"{size:,} of {len(labels):,} images can't be held out for {purpose}: with "
            f"{len(class_names)} classes it takes {least:,} to {most:,}."
        )
    order = order_in_proportion(labels)
    return order[size:].sort().values, order[:size].sort().values


def require_images(labels: Tensor, least: int, class_names: Sequence[str], purpose: str) -> None:
    """Raise ``DataError`` with the names of the classes that have fewer than ``least`` images."""
    counts = torch.bincount(labels, minlength=len(class_names)).tolist()
    small = [
        f"{name} ({count})"
        for name, count in zip(class_names, counts, strict=True)
        if count < least
    ]
    if small:
        raise DataError(
            f"Too few images {purpose}: every class needs at least {least}, and there are fewer of "
            f"{', '.join(small)}."
        )


def _share(labels: Tensor, share: float) -> int:
    """Return how many images ``share`` is, but no fewer than there are classes."""
    return max(round(len(labels) * share), len(labels.unique()))
