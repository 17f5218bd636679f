"""Labelled images in memory, independent of where they were read from."""

from dataclasses import dataclass

import torch
from torch import Tensor


class DataError(ValueError):
    """The data can't be used as it is; the message says what to do."""


@dataclass(frozen=True)
class LabelledImages:
    """Images and their classes.

    Attributes:
        pixels: uint8 ``(N, 3, size, size)``, RGB in 0 to 255.
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
    """Splits of the same classes.

    Attributes:
        train: the training split, of which validation images are held out where there are none.
        test: the test split.
        class_names: names of the classes, by class index.
        source: a description of where the images came from.
        train_files: paths of the training images, relative to the folder of the data; empty for
            torchvision's CIFAR-10.
        test_files: paths of the test images, in the same way.
        validation: the validation split; None where the data has none.
        validation_files: paths of the validation images, in the same way.
    """

    train: LabelledImages
    test: LabelledImages
    class_names: tuple[str, ...]
    source: str
    train_files: tuple[str, ...] = ()
    test_files: tuple[str, ...] = ()
    validation: LabelledImages | None = None
    validation_files: tuple[str, ...] = ()
