"""The files of a folder-per-class tree, and their pixels."""

import os
import sys
import unicodedata
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.command_line import is_printable, progress
from model.data.dataset import DataError, LabelledImages
from model.data.decoded_cache import DecodedCache
from model.data.split_folders import is_visible, visible_folders
from model.images.errors import ImageError
from model.images.preprocessing import prepare

# Number of files that are decoded between two updates of the progress bar.
DECODING_BATCH_SIZE = 256


@dataclass(frozen=True)
class ImageFiles:
    """The readable pictures of a folder-per-class tree.

    Attributes:
        files: paths of the pictures, relative to the folder of the data.
        images: their pixels and classes.
        class_names: names of the classes, by class index.
    """

    files: tuple[str, ...]
    images: LabelledImages
    class_names: tuple[str, ...]

    def subset(self, indices: Tensor) -> "ImageFiles":
        """Return the pictures at ``indices`` (int64 ``(M,)``), in that order."""
        files = tuple(self.files[index] for index in indices.tolist())
        return ImageFiles(files, self.images.subset(indices), self.class_names)


def read_image_files(
    directory: Path, root: str, split: str, image_size: int, *, skip_unreadable: bool
) -> ImageFiles:
    """Read ``directory/<root>/<class>/*``, from the cache where it is valid.

    ``root`` may be empty. The cache goes by the name of the ``split``.

    Raises:
        DataError: A class has no pictures, or a file can't be read.
    """
    folder = directory / root
    files_by_class = list_files(directory, root)
    class_names = tuple(files_by_class)
    if unprintable := [name for name in class_names if not is_printable(name)]:
        raise DataError(
            f"Names of folders in {folder} have characters that can't be printed: "
            f"{', '.join(map(ascii, unprintable))}. Class names are shown to people; rename the "
            "folders."
        )
    files = tuple(file for group in files_by_class.values() for file in group)
    cache_file = directory / ".decoded" / f"{split}-{image_size}.npy"
    cache = DecodedCache(cache_file, directory, files, image_size)
    decoded = cache.read()
    if decoded is None:
        print(f"Decoding {len(files):,} images in {folder}, once", flush=True)
        decoded = cache.write(_decode(directory, files, image_size))
    if decoded.unreadable:
        _list_unreadable(directory, files, decoded.unreadable, skipped=skip_unreadable)
    counts = torch.tensor([len(group) for group in files_by_class.values()])
    images = LabelledImages(decoded.pixels, torch.arange(len(counts)).repeat_interleave(counts))
    is_readable = torch.ones(len(files), dtype=torch.bool)
    is_readable[list(decoded.unreadable)] = False
    readable = ImageFiles(files, images, class_names).subset(is_readable.nonzero()[:, 0])
    known = set(readable.images.labels.tolist())
    if empty := [name for index, name in enumerate(class_names) if index not in known]:
        raise DataError(
            f"Classes without a readable picture in {folder}: {', '.join(empty)}. Add pictures to "
            "them, or remove their folders."
        )
    return readable


def list_files(directory: Path, root: str) -> dict[str, list[str]]:
    """List the visible files in ``directory/<root>/<class>/`` and below.

    Class names are in Unicode's form NFC: macOS and some archives spell a letter and its accent as
    two characters. Links to folders are followed, unless the folder is read anyway.

    Returns:
        Their paths relative to ``directory``, sorted, by class.
    """
    top = (directory / root).resolve()
    seen = {_identity(folder) for folder in (top, *top.parents)}
    by_class: dict[str, list[str]] = {}
    names = visible_folders(directory / root)
    folders = [(directory / root / name, unicodedata.normalize("NFC", name)) for name in names]
    # Links come last, so that a file keeps the path that leads straight to it.
    pending = deque(sorted(folders, key=lambda folder: folder[0].is_symlink()))
    while pending:
        folder, class_name = pending.popleft()
        files = by_class.setdefault(class_name, [])
        for parent, subfolders, file_names in os.walk(folder):
            identity = _identity(parent)
            if identity in seen:
                subfolders.clear()
                continue
            seen.add(identity)
            subfolders[:] = filter(is_visible, subfolders)
            links = (Path(parent, name) for name in subfolders)
            pending += [(link, class_name) for link in links if link.is_symlink()]
            path = Path(parent).relative_to(directory).as_posix()
            files += [f"{path}/{name}" for name in filter(is_visible, file_names)]
    return {name: sorted(by_class[name], key=os.path.split) for name in sorted(by_class)}


def _identity(folder: str | Path) -> tuple[int, int]:
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


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


def _list_unreadable(
    directory: Path, files: Sequence[str], unreadable: dict[int, str], *, skipped: bool
) -> None:
    for position, reason in unreadable.items():
        print(f"{directory / files[position]}: {reason}", file=sys.stderr)
    count = f"{len(unreadable):,} of {len(files):,} files can't be read as pictures"
    if skipped:
        print(f"{count} and are left out.", file=sys.stderr)
    else:
        raise DataError(
            f"{count}; they are listed above. Repair or remove them, or leave them out with "
            "--skip-unreadable."
        )
