"""Labelled images in memory: CIFAR-10 from torchvision, or any folder-per-class tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchvision.datasets import CIFAR10, ImageFolder

from model.decoded_cache import DecodedCache
from model.preprocessing import ImageError, preprocess
from model.progress import progress


class DataError(ValueError):
    """The data can't be used as it is; the message says what to do."""


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
    """A training split, a test split, and the names of the classes by index."""

    train: LabelledImages
    test: LabelledImages
    class_names: tuple[str, ...]
    source: str


def load_cifar10(download_directory: Path) -> Dataset:
    """Load CIFAR-10 through torchvision, which downloads and checks it where it is missing.

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
        train=_from_torchvision(train),
        test=_from_torchvision(test),
        class_names=tuple(train.classes),
        source="CIFAR-10 from torchvision",
    )


def load_folders(directory: Path, image_size: int) -> Dataset:
    """Load ``directory/train/<class>/*`` and ``directory/test/<class>/*``.

    Decoded pixels are cached in ``directory/.decoded``, see :class:`DecodedCache`.

    Raises:
        DataError: a split or a class is missing, or a file is no readable image.
    """
    for split in ("train", "test"):
        if not (directory / split).is_dir():
            raise DataError(
                f"{directory / split} is no folder: --data needs DIR/train/<class>/<image> "
                "and DIR/test/<class>/<image>."
            )
    train, train_classes = _load_split(directory, "train", image_size)
    test, test_classes = _load_split(directory, "test", image_size)
    if train_classes != test_classes:
        different = ", ".join(sorted(set(train_classes) ^ set(test_classes)))
        raise DataError(f"train/ and test/ in {directory} differ in their classes: {different}.")
    if len(train_classes) == 1:
        raise DataError(f"{directory / 'train'} has a single class; two are the least.")
    return Dataset(train, test, train_classes, source=f"folder {directory.name}")


def split_validation(
    labels: Tensor, validation_size: int, *, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Split image indices into training and validation, every class in proportion.

    The seed is fixed and not the training's, so that runs of different seeds share one
    validation split and no image ever changes sides between them.

    Args:
        labels: int64 ``(N,)``, class indices.
        validation_size: images of the validation split.
        seed: of the split.

    Returns:
        Two int64 tensors of indices, sorted: training ``(N - validation_size,)`` and validation
        ``(validation_size,)``.

    Raises:
        DataError: the classes are too small, or the split too large or too small.
    """
    try:
        training, validation = train_test_split(
            np.arange(len(labels)),
            test_size=validation_size,
            stratify=labels.numpy(),
            random_state=seed,
        )
    except ValueError as error:
        raise DataError(
            f"{validation_size} of {len(labels)} training images can't be held out for "
            f"validation: {error}"
        ) from error
    return torch.from_numpy(np.sort(training)), torch.from_numpy(np.sort(validation))


def _from_torchvision(dataset: CIFAR10) -> LabelledImages:
    pixels = torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()
    return LabelledImages(pixels, torch.tensor(dataset.targets))


def _load_split(
    directory: Path, split: str, image_size: int
) -> tuple[LabelledImages, tuple[str, ...]]:
    try:
        folder = ImageFolder(str(directory / split), is_valid_file=_is_visible)
    except FileNotFoundError as error:
        raise DataError(str(error)) from error
    paths = [Path(path) for path, _ in folder.samples]
    labels = torch.tensor([label for _, label in folder.samples])
    file = directory / ".decoded" / f"{split}-{image_size}.npy"
    cache = DecodedCache(file, directory / split, paths, image_size)
    pixels = cache.read()
    if pixels is None:
        pixels = _decode(paths, image_size, f"Decoding {split}")
        cache.write(pixels)
    return LabelledImages(pixels, labels), tuple(folder.classes)


def _is_visible(path: str) -> bool:
    return not Path(path).name.startswith(".")


def _decode(paths: Sequence[Path], image_size: int, description: str) -> Tensor:
    print(f"{description}: {len(paths):,} images, once", flush=True)
    pixels = torch.empty((len(paths), 3, image_size, image_size), dtype=torch.uint8)
    for index, path in enumerate(progress(paths, description, unit="images")):
        try:
            pixels[index] = preprocess(path.read_bytes(), image_size)
        except ImageError as error:
            raise DataError(f"{path}: {error}") from error
    return pixels
