"""Labelled images in memory: CIFAR-10 from torchvision, or any folder-per-class tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10

from model.data_error import DataError
from model.image_files import LAYOUT, ImageFiles, has_class_folders, read_image_files
from model.splits import split_test_images


@dataclass(frozen=True)
class LabelledImages:
    """Images and their classes.

    Attributes:
        pixels: uint8 ``(N, 3, size, size)``, RGB, 0 to 255.
        labels: int64 ``(N,)``, class indices.
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> "LabelledImages":
        """Return the images at ``indices`` (int64 ``(M,)``), in that order."""
        return LabelledImages(self.pixels[indices], self.labels[indices])

    def to(self, device: torch.device) -> "LabelledImages":
        """Return the same images on ``device``."""
        return LabelledImages(self.pixels.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """A training split, a test split, and the names of the classes by index.

    ``train_files`` and ``test_files`` are the paths of the images, relative to the data's folder;
    there are none for torchvision's CIFAR-10. ``source`` says in words where the images came from.
    """

    train: LabelledImages
    test: LabelledImages
    class_names: tuple[str, ...]
    source: str
    train_files: tuple[str, ...] = ()
    test_files: tuple[str, ...] = ()


def load_cifar10(download_directory: Path, *, images_per_class: int | None = None) -> Dataset:
    """Load CIFAR-10 through torchvision, which downloads and checks it where it is missing.

    Args:
        download_directory: where torchvision keeps it.
        images_per_class: take only as many of each class and split.

    Raises:
        DataError: it could neither be found nor downloaded.
    """
    try:
        train = CIFAR10(str(download_directory), train=True, download=True)
        test = CIFAR10(str(download_directory), train=False, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 could not be downloaded to {download_directory}/ ({error}). Check the "
            "network, or give a folder-per-class tree with --data DIR."
        ) from error
    return Dataset(
        train=_from_torchvision(train, images_per_class),
        test=_from_torchvision(test, images_per_class),
        class_names=tuple(train.classes),
        source="CIFAR-10 from torchvision",
    )


def load_folders(
    directory: Path,
    image_size: int,
    *,
    skip_unreadable: bool = False,
    images_per_class: int | None = None,
    test_alone: bool = False,
) -> Dataset:
    """Load a folder-per-class tree.

    With ``directory/train/<class>/*`` and ``directory/test/<class>/*`` these are the splits. Where
    ``test/`` is missing, or the classes lie in ``directory`` itself, a fifth of the images is held
    out as the test split, always the same ones for the same files.

    Decoded pixels are cached in ``directory/.decoded``, see ``model/decoded_cache.py``.

    Args:
        directory: the tree.
        image_size: side that the pictures are resized to.
        skip_unreadable: leave files out that can't be read, instead of refusing the data.
        images_per_class: take only as many of each class and split.
        test_alone: where there is a ``test/`` folder, read nothing else; the training split is
            empty then, and a single class will do.

    Raises:
        DataError: a split or a class is missing or too small, or a file is no readable image.
    """

    def read(root: Path, name: str) -> ImageFiles:
        return read_image_files(
            root,
            directory / ".decoded" / f"{name}-{image_size}.npy",
            image_size,
            skip_unreadable=skip_unreadable,
            images_per_class=images_per_class,
        )

    source = f"folder {directory.resolve().name}"
    if not has_class_folders(directory / "test"):
        in_train = has_class_folders(directory / "train")
        everything = read(directory / "train", "train") if in_train else read(directory, "all")
        _require_two_classes(everything, directory)
        return _with_test_split_held_out(everything, directory, source)
    if test_alone:
        test = read(directory / "test", "test")
        images, files = _labelled(test), _relative(test.files, directory)
        nothing = images.subset(torch.empty(0, dtype=torch.int64))
        return Dataset(nothing, images, test.class_names, source, (), files)
    if not has_class_folders(directory / "train"):
        raise DataError(
            f"{directory} has a test/ folder but no train/ with class folders. {LAYOUT}"
        )
    train, test = read(directory / "train", "train"), read(directory / "test", "test")
    _require_two_classes(train, directory)
    if train.class_names != test.class_names:
        different = ", ".join(sorted(set(train.class_names) ^ set(test.class_names)))
        raise DataError(f"train/ and test/ in {directory} differ in their classes: {different}.")
    return Dataset(
        _labelled(train),
        _labelled(test),
        train.class_names,
        source,
        _relative(train.files, directory),
        _relative(test.files, directory),
    )


def _require_two_classes(images: ImageFiles, directory: Path) -> None:
    if len(images.class_names) < 2:  # noqa: PLR2004
        raise DataError(
            f"{directory} has a single class, {images.class_names[0]}; two are the least. {LAYOUT}"
        )


def _with_test_split_held_out(images: ImageFiles, directory: Path, source: str) -> Dataset:
    remaining, held_out = split_test_images(images.labels, images.class_names)
    print(
        f"{directory} has no test/ folder: {len(held_out):,} of its {len(images.labels):,} images, "
        "every class in proportion, are held out as the test split"
    )
    everything = _labelled(images)
    return Dataset(
        everything.subset(remaining),
        everything.subset(held_out),
        images.class_names,
        source,
        _relative([images.files[index] for index in remaining.tolist()], directory),
        _relative([images.files[index] for index in held_out.tolist()], directory),
    )


def _labelled(images: ImageFiles) -> LabelledImages:
    return LabelledImages(images.pixels, images.labels)


def _relative(files: Sequence[Path], directory: Path) -> tuple[str, ...]:
    return tuple(file.relative_to(directory).as_posix() for file in files)


def _from_torchvision(dataset: CIFAR10, images_per_class: int | None) -> LabelledImages:
    pixels = torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()
    images = LabelledImages(pixels, torch.tensor(dataset.targets))
    if images_per_class is None:
        return images
    by_class = [
        torch.nonzero(images.labels == label).flatten()[:images_per_class]
        for label in range(len(dataset.classes))
    ]
    return images.subset(torch.cat(by_class).sort().values)
