"""Labelled images, independent of where they were read from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from model.command_line import CommandError

# Number of images that are read at once where all are read one after another.
CHUNK_SIZE = 4096


class DataError(CommandError):
    """The data can't be used as it is; the message says what to do."""


@dataclass(frozen=True)
class LabelledImages:
    """Images and their classes, whose pixels are read when they are asked for.

    Attributes:
        store: uint8 ``(M, 3, size, size)``, RGB in 0 to 255, of these images and maybe others;
            those in a mapped file take no memory until they are read.
        labels: int64 ``(N,)``, class indices.
        positions: int64 ``(N,)``, positions in ``store``; None where it holds these images alone.
        class_names: Names of the classes, by class index.
        store_names: Names of the images in ``store``, such as their files below the data's folder.
    """

    store: Tensor
    labels: Tensor
    positions: Tensor | None = None
    class_names: tuple[str, ...] = ()
    store_names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pixels(self) -> Tensor:
        """The pixels of all these images, uint8 ``(N, 3, size, size)``, in memory."""
        return self.store if self.positions is None else self.store[self.positions]

    @property
    def names(self) -> Sequence[str]:
        """The names of all these images."""
        if self.positions is None:
            return self.store_names
        return [self.store_names[position] for position in self.positions.tolist()]

    def subset(self, indices: Tensor) -> "LabelledImages":
        """Return the images at ``indices`` (int64 ``(M,)``), in that order."""
        positions = indices if self.positions is None else self.positions[indices]
        return replace(self, labels=self.labels[indices], positions=positions)

    def sample(self, most: int) -> "LabelledImages":
        """Return at most so many images, evenly spread over all, as these are ordered by class."""
        number, device = min(len(self), most), self.labels.device
        return self.subset(torch.linspace(0, len(self) - 1, number, device=device).long())

    def batches(self, size: int = CHUNK_SIZE) -> Iterator["LabelledImages"]:
        """Yield all images in order, ``size`` at a time."""
        for indices in torch.arange(len(self), device=self.labels.device).split(size):
            yield self.subset(indices)

    def to(self, device: torch.device) -> "LabelledImages":
        """Return the same images on ``device``; a GPU gets a copy of their pixels.

        Raises:
            DataError: They don't fit in the memory of the GPU.
        """
        if device.type == self.labels.device.type:
            return self
        shape = (len(self), *self.store.shape[1:])
        needed, free = prod(shape) / 2**30, torch.cuda.mem_get_info(device)[0] / 2**30
        if needed > free:
            raise DataError(
                f"{len(self):,} images take {needed:.1f} GiB, and the GPU has {free:.1f} GiB of "
                "free memory. Use --limit or --device cpu."
            )
        pixels = torch.empty(shape, dtype=torch.uint8, device=device)
        for part, images in zip(pixels.split(CHUNK_SIZE), self.batches(), strict=True):
            part.copy_(images.pixels)
        return LabelledImages(pixels, self.labels.to(device))


# Images of each split by its name: ``train``, ``validation`` and ``test``, or ``all`` without any.
Splits = dict[str, LabelledImages]
