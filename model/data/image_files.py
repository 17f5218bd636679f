"""The files of a folder-per-class tree, and their pixels."""

import os
import sys
import unicodedata
from collections import deque
from pathlib import Path

import torch

from model.command_line import is_printable
from model.data.dataset import DataError, LabelledImages
from model.data.decoded_cache import read_pixels
from model.data.split_folders import is_visible, visible_folders


def read_image_files(
    directory: Path, root: str, split: str, image_size: int, *, skip_unreadable: bool
) -> LabelledImages:
    """Read ``directory/<root>/<class>/*``, from the cache where it is valid.

    ``root`` may be empty. The cache goes by the name of the ``split``. The images are named after
    their files, relative to ``directory``.

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
    cache = directory / ".decoded" / f"{split}-{image_size}.npy"
    pixels, unreadable = read_pixels(cache, directory, files, image_size)
    for position, reason in unreadable.items():
        print(f"{directory / files[position]}: {reason}", file=sys.stderr)
    count = f"{len(unreadable):,} of {len(files):,} files can't be read as pictures"
    if unreadable and not skip_unreadable:
        raise DataError(
            f"{count}; they are listed above. Repair or remove them, or leave them out with "
            "--skip-unreadable."
        )
    if unreadable:
        print(f"{count} and are left out.", file=sys.stderr)
    counts = torch.tensor([len(group) for group in files_by_class.values()])
    labels = torch.arange(len(counts)).repeat_interleave(counts)
    is_readable = torch.ones(len(files), dtype=torch.bool)
    is_readable[list(unreadable)] = False
    images = LabelledImages(pixels, labels, None, class_names, files)
    readable = images.subset(is_readable.nonzero()[:, 0])
    known = set(readable.labels.tolist())
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
