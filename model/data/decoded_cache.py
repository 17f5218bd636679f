"""A cache of decoded pixels: the next start reads one file instead of decoding thousands."""

import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO
from uuid import uuid4

import numpy as np
import PIL
import pillow_heif

import model.images
from model.data.dataset import DataError
from model.data.pixel_file import PixelFile

# Time since its last change after which nobody writes a partial file any more.
LEFTOVER_SECONDS = 3600


@dataclass(frozen=True)
class DecodedImages:
    """The result of decoding a list of files.

    Attributes:
        pixels: uint8 ``(N, 3, size, size)``, RGB in 0 to 255, of all files in their order; the
            unreadable ones are black.
        unreadable: reasons why these files can't be read, by position in the list.
    """

    pixels: PixelFile
    unreadable: dict[int, str]


class DecodedCache:
    """A ``.npy`` file of pixels, and a ``.json`` file beside it that describes their origin.

    The cache is valid as long as no image file was added, removed, renamed or written (judged by
    path, size and modification time), and the preprocessing code, Pillow and pillow_heif are the
    same.

    Args:
        file: The file of the pixels; its folder is created if necessary.
        directory: The folder that the image files are in, which may be moved or renamed.
        files: Paths of the image files in it, in the order of the pixels.
        image_size: Side of the decoded images, in pixels.
    """

    def __init__(self, file: Path, directory: Path, files: Sequence[str], image_size: int) -> None:
        self._file = file
        self._description_file = file.with_suffix(".json")
        self._shape = (len(files), 3, image_size, image_size)
        self._fingerprint = _fingerprint(directory, files, image_size)

    def read(self) -> DecodedImages | None:
        """Return the decoded images, or None where the cache is missing, stale or damaged."""
        try:
            description = json.loads(self._description_file.read_text())
            unreadable = {int(position): why for position, why in description["unreadable"]}
            pixels = PixelFile(self._file)
            valid = description["sha256"] == self._fingerprint and pixels.shape == self._shape
        except (OSError, ValueError, EOFError, KeyError, TypeError):
            return None
        return DecodedImages(pixels, unreadable) if valid else None

    def write(self, images: Iterable[np.ndarray | str]) -> DecodedImages:
        """Write images one by one, and return them all.

        Where the folder of the cache can't be written, a temporary file takes them, and a message
        says so.

        Args:
            images: For each file its pixels, uint8 ``(3, size, size)``, or the reason why it can't
                be read.

        Raises:
            DataError: There is no room for a temporary file, either.
            OSError: Writing failed.
        """
        file = self._file
        try:
            file.parent.mkdir(exist_ok=True)
            # What starts that were killed have left, and not what another one writes now.
            for left in file.parent.glob(f"{file.stem}.*.partial"):
                if time.time() - left.stat().st_mtime > LEFTOVER_SECONDS:
                    left.unlink()
            partial = self._create_partial(file.parent)
        except OSError as error:
            print(f"Decoded images are not kept for the next start: {error}", file=sys.stderr)
            try:
                partial = file = self._create_partial(Path(tempfile.gettempdir()))
            except OSError as no_room:
                raise DataError(f"{no_room}; set TMPDIR to a folder that has") from no_room
        try:
            with partial.open("wb") as stream:
                unreadable = self._write(stream, images)
            if file == self._file:
                description = {"sha256": self._fingerprint, "unreadable": list(unreadable.items())}
                self._description_file.unlink(missing_ok=True)
                partial.replace(file)
                self._description_file.write_text(json.dumps(description))
            # The system keeps a file for as long as it is open.
            return DecodedImages(PixelFile(file), unreadable)
        finally:
            partial.unlink(missing_ok=True)

    def _create_partial(self, folder: Path) -> Path:
        needed = prod(self._shape)
        if shutil.disk_usage(folder).free < needed:
            raise OSError(f"{folder} has no room for {needed / 2**20:,.0f} MiB")
        partial = folder / f"{self._file.stem}.{uuid4().hex}.partial"
        partial.touch(exist_ok=False)
        return partial

    def _write(self, stream: IO[bytes], images: Iterable[np.ndarray | str]) -> dict[int, str]:
        """Write a ``.npy`` file, and return why some images are missing, by position."""
        header = {"descr": "|u1", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(stream, header)
        unreadable = {}
        for position, image in enumerate(images):
            if isinstance(image, str):
                unreadable[position] = image
            black = bytes(prod(self._shape[1:]))
            stream.write(black if isinstance(image, str) else image.tobytes())
        return unreadable


def _fingerprint(directory: Path, files: Sequence[str], image_size: int) -> str:
    digest = hashlib.sha256()
    for module in sorted(Path(model.images.__path__[0]).glob("*.py")):
        digest.update(module.read_bytes())
    digest.update(f"{PIL.__version__}\0{pillow_heif.__version__}\0{image_size}\n".encode())
    for file in files:
        try:
            status = (directory / file).stat()
            described = f"{status.st_size}\0{status.st_mtime_ns}"
        except OSError:
            # This is a broken link, which decoding will list as unreadable.
            described = "missing"
        digest.update(f"{file}\0{described}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
