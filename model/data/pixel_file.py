"""Pixels in a file, of which only those that are asked for come into memory."""

import os
import weakref
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class PixelFile:
    """The images in a ``.npy`` file, indexed as the tensor that the file holds would be.

    They are read and not mapped: mapped pages count as memory of the process, and a mapped file
    that someone cuts short ends it. The file stays open, so it may be replaced or deleted.

    Attributes:
        shape: ``(N, 3, size, size)``.

    Raises:
        OSError: The file can't be read.
        ValueError: It holds no such array of bytes.
    """

    def __init__(self, file: Path) -> None:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        if array.dtype != np.uint8:
            raise ValueError(f"{file} holds no pixels")
        self.shape: tuple[int, ...] = array.shape
        self._file = file
        self._offset = array.offset
        self._descriptor = os.open(file, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Read the images at int64 ``(M,)`` positions, or a slice: uint8 ``(M, 3, size, size)``."""
        positions = range(self.shape[0])[index] if isinstance(index, slice) else index.tolist()
        size = prod(self.shape[1:])
        offsets = [self._offset + size * position for position in positions]
        data = bytearray().join([os.pread(self._descriptor, size, offset) for offset in offsets])
        if len(data) != size * len(positions):
            raise OSError(f"{self._file} has been cut short")
        pixels = np.frombuffer(data, np.uint8).reshape(len(positions), *self.shape[1:])
        return torch.from_numpy(pixels)
