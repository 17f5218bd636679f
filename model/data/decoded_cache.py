"""A cache of decoded pixels: the next start reads one file instead of thousands."""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import pillow_heif
import torch
from torch import Tensor

import model.images


@dataclass(frozen=True)
class DecodedImages:
    """The result of decoding a list of files.

    Attributes:
        pixels: uint8 ``(M, 3, size, size)``, RGB in 0 to 255, of the readable files, in their
            order.
        unreadable: reasons why the other files can't be read, by position in the list.
    """

    pixels: Tensor
    unreadable: dict[int, str]


class DecodedCache:
    """A ``.npy`` file of pixels, and a ``.json`` file beside it that describes their origin.

    The cache is valid as long as no image file was added, removed, renamed or written (judged by
    path, size and modification time), and the preprocessing code, Pillow and pillow_heif are the
    same.

    Args:
        file: the file of the pixels; its folder is created if necessary.
        root: the folder that the image files are in. Only paths below it count, so the folder may
            be moved or renamed.
        paths: the image files, in the order of the pixels.
        image_size: side of the decoded images, in pixels.
    """

    def __init__(self, file: Path, root: Path, paths: Sequence[Path], image_size: int) -> None:
        self._file = file
        self._description_file = file.with_suffix(".json")
        self._fingerprint = _fingerprint(root, paths, image_size)

    def read(self) -> DecodedImages | None:
        """Return the decoded images, or None where the cache is missing, stale or damaged."""
        try:
            description = json.loads(self._description_file.read_text())
            if description["sha256"] != self._fingerprint:
                return None
            unreadable = {int(position): why for position, why in description["unreadable"]}
            pixels = np.load(self._file, allow_pickle=False)
            return DecodedImages(torch.from_numpy(pixels), unreadable)
        except (OSError, ValueError, EOFError, KeyError, TypeError):
            return None

    def write(self, images: DecodedImages) -> None:
        """Write ``images``; where the folder can't be written, print so and do without a cache."""
        description = {"sha256": self._fingerprint, "unreadable": list(images.unreadable.items())}
        partial = self._file.with_suffix(f".{os.getpid()}.partial")
        try:
            self._file.parent.mkdir(exist_ok=True)
            self._description_file.unlink(missing_ok=True)
            with partial.open("wb") as stream:
                np.save(stream, images.pixels.numpy())
            partial.replace(self._file)
            self._description_file.write_text(json.dumps(description))
        except OSError as error:
            print(f"Decoded images are not kept for the next start: {error}", file=sys.stderr)
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def _fingerprint(root: Path, paths: Sequence[Path], image_size: int) -> str:
    digest = hashlib.sha256()
    for module in sorted(Path(model.images.__path__[0]).glob("*.py")):
        digest.update(module.read_bytes())
    digest.update(f"{PIL.__version__}\0{pillow_heif.__version__}\0{image_size}\n".encode())
    for path in paths:
        name = str(path).removeprefix(str(root))
        digest.update(f"{name}\0{_size_and_time(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _size_and_time(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        # This is a broken link, which decoding will list as unreadable.
        return "missing"
    return f"{status.st_size}\0{status.st_mtime_ns}"
