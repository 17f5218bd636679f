"""A cache of decoded pixels: the next start reads one file instead of decoding thousands."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import prod
from pathlib import Path
from uuid import uuid4

import numpy as np
import PIL
import pillow_heif
import torch
from torch import Tensor

import model.images
from model.command_line import progress
from model.data.dataset import DataError
from model.images.errors import ImageError
from model.images.preprocessing import prepare

# Number of files that are decoded between two updates of the progress bar.
DECODING_BATCH_SIZE = 256
# Time since its last change after which nobody writes a partial file any more.
LEFTOVER_SECONDS = 3600


def read_pixels(
    cache: Path, directory: Path, files: Sequence[str], image_size: int
) -> tuple[Tensor, dict[int, str]]:
    """Return the pixels of image files, from the cache where it is valid.

    The cache is a ``.npy`` file of pixels, and a ``.json`` file beside it that describes their
    origin. It is valid as long as the image files (judged by path, size and modification time), the
    preprocessing code, Pillow and pillow_heif are the same. Where its folder can't be written, a
    temporary file takes the pixels, and a message says so.

    Args:
        cache: The ``.npy`` file; its folder is created if necessary.
        directory: The folder that the image files are in, which may be moved or renamed.
        files: Paths of the image files in it.
        image_size: Side of the decoded images, in pixels.

    Returns:
        The pixels of all files in order, uint8 ``(N, 3, size, size)``, RGB in 0 to 255, mapped and
        read-only, with unreadable ones black; and by position, why these can't be read.

    Raises:
        DataError: There is no room for a temporary file, either.
    """
    description_file, shape = cache.with_suffix(".json"), (len(files), 3, image_size, image_size)
    fingerprint = _fingerprint(directory, files, image_size)
    # Where the cache is missing, stale or damaged, it is written anew.
    with suppress(OSError, ValueError, EOFError, KeyError, TypeError):
        description = json.loads(description_file.read_text())
        unreadable = {int(position): why for position, why in description["unreadable"]}
        pixels = _map(cache)
        if description["sha256"] == fingerprint and pixels.shape == shape:
            return pixels, unreadable
    print(f"Decoding {len(files):,} images in {directory}, once", flush=True)
    partial, unreadable = _create_partial(cache, prod(shape)), {}
    try:
        with partial.open("wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for position, image in enumerate(_decode(directory, files, image_size)):
                if isinstance(image, str):
                    unreadable[position] = image
                black = bytes(prod(shape[1:]))
                stream.write(black if isinstance(image, str) else image.tobytes())
        is_kept = partial.parent == cache.parent
        if is_kept:
            description = {"sha256": fingerprint, "unreadable": list(unreadable.items())}
            description_file.unlink(missing_ok=True)
            partial.replace(cache)
            description_file.write_text(json.dumps(description))
        # The system keeps a file for as long as it is mapped.
        return _map(cache if is_kept else partial), unreadable
    finally:
        partial.unlink(missing_ok=True)


def _map(file: Path) -> Tensor:
    pixels = np.load(file, mmap_mode="r")
    # PyTorch warns that it has no read-only tensors; nothing writes to these. A mapping that may be
    # written to would need as much memory as the file is large.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.from_numpy(pixels)


def _create_partial(cache: Path, size: int) -> Path:
    """Create an empty file where there is room: beside the cache, or among temporary files."""
    for folder in (cache.parent, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(exist_ok=True)
            # What starts that were killed have left, and not what another one writes now.
            for left in folder.glob(f"{cache.stem}.*.partial"):
                if time.time() - left.stat().st_mtime > LEFTOVER_SECONDS:
                    left.unlink()
            _require_room(folder, size)
            partial = folder / f"{cache.stem}.{uuid4().hex}.partial"
            partial.touch(exist_ok=False)
        except OSError as error:
            print(f"Decoded images are not kept in {folder}: {error}", file=sys.stderr)
        else:
            return partial
    raise DataError("No folder takes the decoded images; set TMPDIR to one that has room for them.")


def _require_room(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < size:
        raise OSError(f"There is no room for {size / 2**20:,.0f} MiB")


def _decode(directory: Path, files: Sequence[str], image_size: int) -> Iterator[np.ndarray | str]:
    """Yield for each file its pixels, uint8 ``(3, size, size)``, or why it can't be read."""
    # The threads share the filters of `warnings` and change them; the block restores them.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        starts = range(0, len(files), DECODING_BATCH_SIZE)
        for start in progress(starts, "Decoding", unit=f"times {DECODING_BATCH_SIZE} images"):
            paths = [directory / file for file in files[start : start + DECODING_BATCH_SIZE]]
            yield from threads.map(_decode_file, paths, [image_size] * len(paths))


def _decode_file(path: Path, image_size: int) -> np.ndarray | str:
    try:
        return prepare(path.read_bytes(), image_size).pixels.transpose(2, 0, 1)
    except ImageError as error:
        return str(error)
    except OSError as error:
        return f"The file can't be opened: {error.strerror}."


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
