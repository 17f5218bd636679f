"""Decoded pixels beside the data, so that the next start reads one file instead of thousands."""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL
import torch
from torch import Tensor

import model.preprocessing


class DecodedCache:
    """A ``.npy`` file of pixels, and a ``.json`` beside it that says what it was made from.

    The cache holds as long as no image file was added, removed, renamed or written (by path, size
    and modification time), and the preprocessing code and Pillow are the same.

    Args:
        file: where the pixels are kept; its folder is made when needed.
        root: the folder that the image files lie in; only paths below it count, so the data may
            be moved, or named otherwise.
        paths: the image files, in the order of the pixels.
        image_size: side of the decoded images.
    """

    def __init__(self, file: Path, root: Path, paths: Sequence[Path], image_size: int) -> None:
        self._file = file
        self._fingerprint_file = file.with_suffix(".json")
        self._fingerprint = {"sha256": _fingerprint(root, paths, image_size)}

    def read(self) -> Tensor | None:
        """Return uint8 ``(N, 3, size, size)``, or None where the cache is missing or stale."""
        try:
            if json.loads(self._fingerprint_file.read_text()) != self._fingerprint:
                return None
            return torch.from_numpy(np.load(self._file, allow_pickle=False))
        except (OSError, ValueError, EOFError):
            return None

    def write(self, pixels: Tensor) -> None:
        """Keep ``pixels``; where the folder can't be written, say so and go on without."""
        try:
            self._file.parent.mkdir(exist_ok=True)
            self._fingerprint_file.unlink(missing_ok=True)
            partial = self._file.with_suffix(f".{os.getpid()}.partial")
            with partial.open("wb") as stream:
                np.save(stream, pixels.numpy())
            partial.replace(self._file)
            self._fingerprint_file.write_text(json.dumps(self._fingerprint))
        except OSError as error:
            print(f"Decoded images are not kept for the next start: {error}", file=sys.stderr)


def _fingerprint(root: Path, paths: Sequence[Path], image_size: int) -> str:
    digest = hashlib.sha256(Path(model.preprocessing.__file__).read_bytes())
    digest.update(f"{PIL.__version__}\0{image_size}\n".encode())
    for path in paths:
        status = path.stat()
        name = str(path).removeprefix(str(root))
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
