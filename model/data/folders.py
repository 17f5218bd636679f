"""Folder-per-class trees as data sets, with the test split that they have or one held out."""

from functools import partial
from pathlib import Path

import torch

from model.data.dataset import DataError, Dataset
from model.data.image_files import ImageFiles, read_image_files
from model.data.split_folders import EXPECTED_LAYOUT, find_splits
from model.data.splits import split_test_images


def load_folders(
    directory: Path, image_size: int, *, skip_unreadable: bool = False, test_alone: bool = False
) -> Dataset:
    """Load a folder-per-class tree.

    The splits are ``directory/train/<class>/*`` and, where they exist, ``validation`` and ``test``
    beside it, under any of the names that :func:`find_splits` knows. Where the test split is
    missing, or the classes are in ``directory`` itself, a fifth of the images is held out as the
    test split; the same files always give the same split.

    Decoded pixels are cached in ``directory/.decoded``; see :class:`DecodedCache`.

    Args:
        directory: the tree.
        image_size: side in pixels to which the pictures are resized.
        skip_unreadable: whether to leave out files that can't be read instead of refusing the data.
        test_alone: whether to read only the test folder where there is one; the training split is
            then empty, and a single class is enough.

    Raises:
        DataError: a split or a class is missing or too small, or a file is not a readable picture.
    """
    splits = find_splits(directory)
    read = partial(
        read_image_files, directory, image_size=image_size, skip_unreadable=skip_unreadable
    )
    source = f"folder {directory.resolve().name}"
    if test_alone and "test" in splits:
        test = read(splits["test"], "test")
        no_images = test.images.subset(torch.empty(0, dtype=torch.int64))
        return Dataset(no_images, test.images, test.class_names, source, test_files=test.files)
    if splits and "train" not in splits:
        raise DataError(
            f"{directory} has no train/ folder with class folders beside "
            f"{' and '.join(splits.values())}/. {EXPECTED_LAYOUT}"
        )
    train = read(splits.get("train", ""), "train" if splits else "all")
    _require_two_classes(train, directory)
    others = {split: read(splits[split], split) for split in splits if split != "train"}
    for split, other in others.items():
        _require_same_classes(
            train, other, f"{splits['train']}/ and {splits[split]}/ in {directory}"
        )
    validation = others.get("validation")
    if "test" in others:
        test = others["test"]
    else:
        train, test = _hold_out_test_split(train, directory)
    return Dataset(
        train.images,
        test.images,
        train.class_names,
        source,
        train.files,
        test.files,
        validation.images if validation else None,
        validation.files if validation else (),
    )


def _require_two_classes(images: ImageFiles, directory: Path) -> None:
    if len(images.class_names) < 2:  # noqa: PLR2004
        raise DataError(
            f"{directory} has a single class, {images.class_names[0]}; at least two are needed. "
            f"{EXPECTED_LAYOUT}"
        )


def _require_same_classes(train: ImageFiles, other: ImageFiles, folders: str) -> None:
    different = ", ".join(sorted(set(train.class_names) ^ set(other.class_names)))
    if different:
        raise DataError(
            f"{folders} must have the same classes, but only one of them has {different}."
        )


def _hold_out_test_split(everything: ImageFiles, directory: Path) -> tuple[ImageFiles, ImageFiles]:
    remaining, held_out = split_test_images(everything.images.labels, everything.class_names)
    print(
        f"{directory} has no test split: {len(held_out):,} of its {len(everything.files):,} "
        "images, with every class in proportion, are held out"
    )
    return everything.subset(remaining), everything.subset(held_out)
