"""The files of a folder-per-class tree, and their pixels."""

import os
import sys
import unicodedata
import warnings
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model.command_line import is_printable, progress
from model.data.dataset import DataError, LabelledImages
from model.data.decoded_cache import DecodedCache, DecodedImages
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

    Args:
        directory: the folder of the data.
        root: the folder in it that has the class folders; empty for ``directory`` itself.
        split: name of the split, which the cache goes by.
        image_size: side in pixels to which the pictures are resized.
        skip_unreadable: whether to leave out unreadable files instead of refusing all.

    Raises:
        DataError: a class has no pictures, or a file can't be read.
    """
    files_by_class = list_files(directory / root)
    class_names = tuple(files_by_class)
    _refuse_unprintable_names(directory / root, class_names)
    files = [Path(file) for group in files_by_class.values() for file in group]
    cache_file = directory / ".decoded" / f"{split}-{image_size}.npy"
    cache = DecodedCache(cache_file, directory / root, files, image_size)
    decoded = cache.read()
    if decoded is None:
        decoded = _decode(files, image_size, directory / root)
        cache.write(decoded)
    if decoded.unreadable:
        _list_unreadable(files, decoded.unreadable, skipped=skip_unreadable)
    counts = [len(group) for group in files_by_class.values()]
    all_labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    readable = [position for position in range(len(files)) if position not in decoded.unreadable]
    labels = all_labels[readable]
    _refuse_empty_classes(directory / root, labels, class_names)
    names = tuple(files[position].relative_to(directory).as_posix() for position in readable)
    return ImageFiles(names, LabelledImages(decoded.pixels, labels), class_names)


def list_files(root: Path) -> dict[str, list[str]]:
    """Return the sorted paths of the visible files in ``root/<class>/`` and below, by class.

    Class names are in Unicode's form NFC: macOS and some archives spell a letter and its accent as
    two characters. Links to folders are followed, unless the folder is read anyway.
    """
    real_root = root.resolve()
    seen = {_identity(folder) for folder in (real_root, *real_root.parents)}
    by_class: dict[str, list[str]] = {}
    folders = [(root / name, unicodedata.normalize("NFC", name)) for name in visible_folders(root)]
    # Links come last, so that a file keeps the path that leads straight to it.
    pending = deque(sorted(folders, key=lambda folder: folder[0].is_symlink()))
    while pending:
        folder, class_name = pending.popleft()
        files = by_class.setdefault(class_name, [])
        for parent, names, file_names in os.walk(folder):
            identity = _identity(parent)
            if identity in seen:
                names.clear()
                continue
            seen.add(identity)
            names[:] = filter(is_visible, names)
            files += [f"{parent}/{name}" for name in filter(is_visible, file_names)]
            links = (Path(parent, name) for name in names)
            pending += [(link, class_name) for link in links if link.is_symlink()]
    return {name: sorted(by_class[name], key=os.path.split) for name in sorted(by_class)}


def _identity(folder: str | Path) -> tuple[int, int]:
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def _refuse_unprintable_names(root: Path, class_names: Sequence[str]) -> None:
    unprintable = [name for name in class_names if not is_printable(name)]
    if unprintable:
        raise DataError(
            f"Names of folders in {root} have characters that can't be printed: "
            f"{', '.join(map(ascii, unprintable))}. Class names are shown to people; rename the "
            "folders."
        )


def _refuse_empty_classes(root: Path, labels: Tensor, class_names: Sequence[str]) -> None:
    counts = torch.bincount(labels, minlength=len(class_names)).tolist()
    empty = [name for name, count in zip(class_names, counts, strict=True) if count == 0]
    if empty:
        raise DataError(
            f"Classes without a readable picture in {root}: {', '.join(empty)}. Add pictures to "
            "them, or remove their folders."
        )


def _decode(files: Sequence[Path], image_size: int, root: Path) -> DecodedImages:
    print(f"Decoding {len(files):,} images in {root}, once", flush=True)
    pixels = torch.empty((len(files), 3, image_size, image_size), dtype=torch.uint8)
    unreadable: dict[int, str] = {}
    readable = 0
    # The threads share the filters of `warnings` and change them; the block restores them.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        starts = range(0, len(files), DECODING_BATCH_SIZE)
        for start in progress(
            starts, f"Decoding {root.name}", unit=f"times {DECODING_BATCH_SIZE} images"
        ):
            part = files[start : start + DECODING_BATCH_SIZE]
            results = threads.map(_decode_file, part, [image_size] * len(part))
            for position, result in enumerate(results, start):
                if isinstance(result, str):
                    unreadable[position] = result
                else:
                    pixels[readable] = result
                    readable += 1
    return DecodedImages(pixels[:readable], unreadable)


def _decode_file(path: Path, image_size: int) -> Tensor | str:
    """Return the pixels, uint8 ``(3, size, size)``, or the reason why the file can't be read."""
    try:
        pixels = prepare(path.read_bytes(), image_size).pixels
    except ImageError as error:
        return str(error)
    except OSError as error:
        return f"The file can't be opened: {error.strerror}."
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _list_unreadable(files: Sequence[Path], unreadable: dict[int, str], *, skipped: bool) -> None:
    for position, reason in unreadable.items():
        print(f"{files[position]}: {reason}", file=sys.stderr)
    count = f"{len(unreadable):,} of {len(files):,} files can't be read as pictures"
    if skipped:
        print(f"{count} and are left out.", file=sys.stderr)
    else:
        raise DataError(
            f"{count}; they are listed above. Repair or remove them, or leave them out with "
            "--skip-unreadable."
        )
