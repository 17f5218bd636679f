"""Folder-per-class trees as data sets, with the test split that they have or one held out."""

from functools import partial
from pathlib import Path

from model.data.dataset import DataError, Dataset
from model.data.image_files import EXPECTED_LAYOUT, ImageFiles, has_class_folders, read_image_files
from model.data.splits import split_test_images


def load_folders(
    directory: Path,
    image_size: int,
    *,
    skip_unreadable: bool = False,
    images_per_class: int | None = None,
) -> Dataset:
    """Load a folder-per-class tree.

    The splits are ``directory/train/<class>/*`` and ``directory/test/<class>/*``. Where ``test/``
    is missing, or the classes are in ``directory`` itself, a fifth of the images is held out as the
    test split; the same files always give the same split.

    Decoded pixels are cached in ``directory/.decoded``; see :class:`DecodedCache`.

    Args:
        directory: the tree.
        image_size: side in pixels to which the pictures are resized.
        skip_unreadable: whether to leave out files that can't be read instead of refusing the data.
        images_per_class: maximum number of images of each class and split; None for all.

    Raises:
        DataError: a split or a class is missing or too small, or a file is not a readable picture.
    """
    read = partial(
        read_image_files,
        directory,
        image_size=image_size,
        skip_unreadable=skip_unreadable,
        images_per_class=images_per_class,
    )
    source = describe_source(directory)
    if not has_class_folders(directory / "test"):
        everything = read("train" if has_class_folders(directory / "train") else "")
        _require_two_classes(everything, directory)
        return _with_test_split_held_out(everything, directory, source)
    if not has_class_folders(directory / "train"):
        raise DataError(
            f"{directory} has a test/ folder but no train/ folder with class folders. "
            f"{EXPECTED_LAYOUT}"
        )
    train, test = read("train"), read("test")
    _require_two_classes(train, directory)
    if train.class_names != test.class_names:
        different = ", ".join(sorted(set(train.class_names) ^ set(test.class_names)))
        raise DataError(
            f"train/ and test/ in {directory} must have the same classes, but only one of them has "
            f"{different}."
        )
    return Dataset(train.images, test.images, train.class_names, source, train.files, test.files)


def load_splits(
    directory: Path, image_size: int, *, skip_unreadable: bool = False, test_alone: bool = False
) -> dict[str, ImageFiles]:
    """Load a folder-per-class tree as it is, with any number of pictures and classes.

    Args:
        directory: the tree.
        image_size: side in pixels to which the pictures are resized.
        skip_unreadable: whether to leave out files that can't be read instead of refusing the data.
        test_alone: whether to read only the ``test/`` folder where there is one.

    Returns:
        The pictures of ``train`` and of ``test``; where there are no such folders, of ``all``.

    Raises:
        DataError: there are no classes, a class has no pictures, or a file can't be read.
    """
    roots = {name: name for name in ("train", "test") if has_class_folders(directory / name)}
    if test_alone and "test" in roots:
        roots.pop("train", None)
    return {
        split: read_image_files(
            directory, root, image_size, skip_unreadable=skip_unreadable, images_per_class=None
        )
        for split, root in (roots or {"all": ""}).items()
    }


def describe_source(directory: Path) -> str:
    """Return what a model card and a report say about where the images came from."""
    return f"folder {directory.resolve().name}"


def _require_two_classes(images: ImageFiles, directory: Path) -> None:
    if len(images.class_names) < 2:  # noqa: PLR2004
        raise DataError(
            f"{directory} has a single class, {images.class_names[0]}; at least two are needed. "
            f"{EXPECTED_LAYOUT}"
        )


def _with_test_split_held_out(everything: ImageFiles, directory: Path, source: str) -> Dataset:
    images, class_names = everything.images, everything.class_names
    remaining, held_out = split_test_images(images.labels, class_names)
    print(
        f"{directory} has no test/ folder: {len(held_out):,} of its {len(images):,} images, "
        "with every class in proportion, are held out as the test split"
    )
    return Dataset(
        images.subset(remaining),
        images.subset(held_out),
        class_names,
        source,
        tuple(everything.files[index] for index in remaining.tolist()),
        tuple(everything.files[index] for index in held_out.tolist()),
    )
