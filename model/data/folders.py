"""Folder-per-class trees as data sets, with the test split that they have or one held out."""

from pathlib import Path

import numpy as np
import torch

from model.command_line import visible
from model.data.dataset import DataError, LabelledImages, Splits
from model.data.image_files import read_image_files
from model.data.split_folders import EXPECTED_LAYOUT, find_splits
from model.data.splits import split_test_images

# Largest ratio of the sizes of two classes that needs no note.
MAX_IMBALANCE = 10


def load_folders(directory: Path, image_size: int, *, skip_unreadable: bool = False) -> Splits:
    """Load a folder-per-class tree to train on.

    The splits are ``directory/train/<class>/*`` and, where they exist, ``val`` and ``test`` beside
    it, under any of the names that :func:`find_splits` knows. Where the test split is missing, or
    the classes are in ``directory`` itself, a fifth of the images is held out as the test split;
    the same files always give the same split. The arguments are those of :func:`load_splits`.

    Raises:
        DataError: A split or a class is missing or too small, or a file is not a readable picture.
    """
    splits = load_splits(directory, image_size, skip_unreadable=skip_unreadable)
    if "all" in splits:
        splits["train"] = splits.pop("all")
    if "train" not in splits:
        raise DataError(
            f"{directory} has no train/ folder with class folders, but a split for "
            f"{' and '.join(splits)}. {EXPECTED_LAYOUT}"
        )
    train = splits["train"]
    if len(train.class_names) < 2:  # noqa: PLR2004
        raise DataError(
            f"{directory} has a single class, {train.class_names[0]}; at least two are needed. "
            f"{EXPECTED_LAYOUT}"
        )
    for split, images in splits.items():
        different = ", ".join(sorted(set(train.class_names) ^ set(images.class_names)))
        if different:
            raise DataError(
                f"The train and {split} splits in {directory} must have the same classes, but only "
                f"one of them has {different}."
            )
    if "test" not in splits:
        remaining, held_out = split_test_images(train.labels, train.class_names)
        print(
            f"{directory} has no test split: {len(held_out):,} of its {len(train):,} images, "
            "with every class in proportion, are held out"
        )
        splits |= {"train": train.subset(remaining), "test": train.subset(held_out)}
    splits = {name: splits[name] for name in ("train", "validation", "test") if name in splits}
    _note_copies(splits)
    _note_imbalance(splits["train"])
    return splits


def _note_copies(splits: Splits) -> None:
    """Say where a picture is in two splits."""
    hashes = np.concatenate([_hash(images) for images in splits.values()])
    split_of = np.repeat(np.arange(len(splits)), [len(images) for images in splits.values()])
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    original = first[group]
    copies = np.flatnonzero(split_of > split_of[original])
    if len(copies):
        files = [name for images in splits.values() for name in images.names]
        copy, image = (visible(files[index]) for index in (copies[0], original[copies[0]]))
        print(
            f"note: {len(copies):,} of the {np.count_nonzero(split_of):,} images that are to "
            f"validate and test are in an earlier split, too, such as {copy}, which equals "
            f"{image}; this makes the figures better than the model"
        )


def _hash(images: LabelledImages) -> np.ndarray:
    """Return int64 ``(N,)``; within this process, equal pixels have equal hashes."""
    chunks = (chunk.pixels.numpy() for chunk in images.batches())
    return np.array([hash(image.tobytes()) for chunk in chunks for image in chunk])


def _note_imbalance(train: LabelledImages) -> None:
    """Say where a class is much larger than another."""
    counts = torch.bincount(train.labels, minlength=len(train.class_names))
    largest, smallest = int(counts.argmax()), int(counts.argmin())
    if counts[largest] > MAX_IMBALANCE * counts[smallest]:
        print(
            f"note: {train.class_names[largest]} has {counts[largest]:,} training images, and "
            f"{train.class_names[smallest]} has {counts[smallest]:,}; --class-weights balanced "
            "lets every class weigh the same"
        )


def load_splits(
    directory: Path, image_size: int, *, skip_unreadable: bool = False, test_alone: bool = False
) -> Splits:
    """Load a folder-per-class tree as it is, with any number of pictures and classes.

    Args:
        directory: The tree; its decoded pixels are cached in its folder ``.decoded``.
        image_size: Side in pixels to which the pictures are resized.
        skip_unreadable: Whether to leave out files that can't be read instead of refusing the data.
        test_alone: Whether to read only the test split where there is one.

    Returns:
        The splits that there are of ``train``, ``validation`` and ``test``; without any, ``all``.

    Raises:
        DataError: There are no classes, a class has no pictures, or a file can't be read.
    """
    folders = find_splits(directory)
    if test_alone and "test" in folders:
        folders = {"test": folders["test"]}
    return {
        split: read_image_files(
            directory, folder, split, image_size, skip_unreadable=skip_unreadable
        )
        for split, folder in folders.items()
    }


def describe_source(directory: Path | None) -> str:
    """Return what a card and a report say about where images came from; None is CIFAR-10."""
    return f"folder {directory.resolve().name}" if directory else "CIFAR-10 from torchvision"
