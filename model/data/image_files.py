"""The files of a folder-per-class tree, and their pixels."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import ImageFolder

from model.command_line import progress
from model.data.dataset import DataError, LabelledImages
from model.data.decoded_cache import DecodedCache, DecodedImages
from model.images.errors import ImageError
from model.images.preprocessing import prepare

# Number of files that are decoded between two updates of the progress bar.
DECODING_BATCH_SIZE = 256
# Part of an error message: how a folder-per-class tree must look.
EXPECTED_LAYOUT = (
    "--data needs DIR/train/<class>/<image> and DIR/test/<class>/<image>, or DIR/<class>/<image> "
    "without a test split."
)


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


class _VisibleImageFolder(ImageFolder):
    """Takes every file as an image, except for hidden ones (``.decoded``, ``.DS_Store``)."""

    def __init__(self, root: Path) -> None:
        def is_visible(path: str) -> bool:
            return not any(part.startswith(".") for part in Path(path).relative_to(root).parts)

        super().__init__(str(root), is_valid_file=is_visible, allow_empty=True)

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """Return the names of the visible folders in ``directory``, sorted, and their indices."""
        classes = sorted(folder.name for folder in _class_folders(Path(directory)))
        return classes, {name: index for index, name in enumerate(classes)}


def has_class_folders(directory: Path) -> bool:
    """Return whether ``directory`` is a folder with a visible folder in it."""
    return any(True for _ in _class_folders(directory))


def read_image_files(
    directory: Path,
    split: str,
    image_size: int,
    *,
    skip_unreadable: bool,
    images_per_class: int | None,
) -> ImageFiles:
    """Read ``directory/<split>/<class>/*``, from the cache where it is valid.

    Args:
        directory: the folder of the data.
        split: the folder in it that has the class folders; empty for ``directory`` itself.
        image_size: side in pixels to which the pictures are resized.
        skip_unreadable: whether to leave out unreadable files instead of refusing all.
        images_per_class: maximum number of pictures of each class, which are read without the
            cache; None for all.

    Raises:
        DataError: there are no classes, a class has no pictures, or a file can't be read.
    """
    root = directory / split
    if not has_class_folders(root):
        raise DataError(f"{root} has no class folders. {EXPECTED_LAYOUT}")
    folder = _VisibleImageFolder(root)
    class_names = tuple(folder.classes)
    _refuse_unprintable_names(root, class_names)
    by_class = groupby(folder.samples, key=itemgetter(1))
    samples = [sample for _, group in by_class for sample in islice(group, images_per_class)]
    files = [Path(path) for path, _ in samples]
    if images_per_class is None:
        cache_file = directory / ".decoded" / f"{split or 'all'}-{image_size}.npy"
        cache = DecodedCache(cache_file, root, files, image_size)
        decoded = cache.read()
        if decoded is None:
            decoded = _decode(files, image_size, root)
            cache.write(decoded)
    else:
        decoded = _decode(files, image_size, root)
    if decoded.unreadable:
        _list_unreadable(files, decoded.unreadable, skipped=skip_unreadable)
    readable = [position for position in range(len(files)) if position not in decoded.unreadable]
    labels = torch.tensor([samples[position][1] for position in readable], dtype=torch.int64)
    _refuse_empty_classes(root, labels, class_names)
    names = tuple(files[position].relative_to(directory).as_posix() for position in readable)
    return ImageFiles(names, LabelledImages(decoded.pixels, labels), class_names)


def _class_folders(directory: Path) -> Iterator[Path]:
    for entry in directory.iterdir() if directory.is_dir() else ():
        if entry.is_dir() and not entry.name.startswith("."):
            yield entry


def _refuse_unprintable_names(root: Path, class_names: Sequence[str]) -> None:
    unprintable = [name for name in class_names if not name.isprintable()]
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
