"""A folder-per-class tree on disk: which files there are, and their pixels."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import ImageFolder

from model.data_error import DataError
from model.decoded_cache import DecodedCache, DecodedImages
from model.preprocessing import ImageError, preprocess
from model.progress import progress

DECODED_AT_ONCE = 256
LAYOUT = (
    "--data needs DIR/train/<class>/<image> and DIR/test/<class>/<image>, or DIR/<class>/<image> "
    "without a test split."
)


@dataclass(frozen=True)
class ImageFiles:
    """The readable pictures of a folder-per-class tree.

    Attributes:
        files: ``(N,)``, their paths.
        pixels: uint8 ``(N, 3, size, size)``, RGB, 0 to 255.
        labels: int64 ``(N,)``, class indices.
        class_names: by class index.
    """

    files: list[Path]
    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]


class _VisibleImageFolder(ImageFolder):
    """Takes every file for an image, but nothing hidden (``.decoded``, ``.DS_Store``)."""

    def __init__(self, root: Path) -> None:
        def is_visible(path: str) -> bool:
            return not any(part.startswith(".") for part in Path(path).relative_to(root).parts)

        super().__init__(str(root), is_valid_file=is_visible, allow_empty=True)

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """Name the visible folders in ``directory``, in order, and number them."""
        classes = sorted(folder.name for folder in _class_folders(Path(directory)))
        return classes, {name: index for index, name in enumerate(classes)}


def has_class_folders(directory: Path) -> bool:
    """Whether ``directory`` is a folder with a visible folder in it."""
    return any(True for _ in _class_folders(directory))


def read_image_files(
    root: Path,
    cache_file: Path,
    image_size: int,
    *,
    skip_unreadable: bool,
    images_per_class: int | None = None,
) -> ImageFiles:
    """Read ``root/<class>/*``, from the cache where it holds.

    Args:
        root: folder of the class folders.
        cache_file: where decoded pixels are kept.
        image_size: side that the pictures are resized to.
        skip_unreadable: leave unreadable files out instead of refusing all.
        images_per_class: read only as many of each class, and past the cache.

    Raises:
        DataError: there are no classes, a class has no pictures or a file can't be read.
    """
    if not has_class_folders(root):
        raise DataError(f"There are no class folders in {root}. {LAYOUT}")
    folder = _VisibleImageFolder(root)
    class_names = tuple(folder.classes)
    _refuse_odd_names(root, class_names)
    samples = _first_of_each_class(folder.samples, images_per_class)
    files = [Path(path) for path, _ in samples]
    if images_per_class is None:
        cache = DecodedCache(cache_file, root, files, image_size)
        images = cache.read()
        if images is None:
            images = _decode(files, image_size, root)
            cache.write(images)
    else:
        images = _decode(files, image_size, root)
    if images.unreadable:
        _list_unreadable(files, images.unreadable, skipped=skip_unreadable)
    readable = [position for position in range(len(files)) if position not in images.unreadable]
    labels = torch.tensor([samples[position][1] for position in readable], dtype=torch.int64)
    _refuse_empty_classes(root, labels, class_names)
    return ImageFiles(
        [files[position] for position in readable], images.pixels, labels, class_names
    )


def _class_folders(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (
            entry
            for entry in directory.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        )


def _refuse_odd_names(root: Path, class_names: Sequence[str]) -> None:
    odd = [name for name in class_names if not name.isprintable()]
    if odd:
        raise DataError(
            f"Folders in {root} are named with characters that can't be printed: "
            f"{', '.join(map(ascii, odd))}. Class names are shown to people: rename them."
        )


def _refuse_empty_classes(root: Path, labels: Tensor, class_names: Sequence[str]) -> None:
    counts = torch.bincount(labels, minlength=len(class_names)).tolist()
    empty = [name for name, count in zip(class_names, counts, strict=True) if count == 0]
    if empty:
        raise DataError(f"There is no readable picture in {root} of: {', '.join(empty)}.")


def _first_of_each_class(
    samples: Sequence[tuple[str, int]], images_per_class: int | None
) -> list[tuple[str, int]]:
    taken: dict[int, int] = {}
    chosen = []
    for path, label in samples:
        taken[label] = taken.get(label, 0) + 1
        if images_per_class is None or taken[label] <= images_per_class:
            chosen.append((path, label))
    return chosen


def _decode(files: Sequence[Path], image_size: int, root: Path) -> DecodedImages:
    print(f"Decoding {root}: {len(files):,} images, once", flush=True)
    pixels = torch.empty((len(files), 3, image_size, image_size), dtype=torch.uint8)
    unreadable: dict[int, str] = {}
    readable = 0
    # `warnings` is shared by all threads: what they change of it in passing ends with this block.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        starts = range(0, len(files), DECODED_AT_ONCE)
        for start in progress(
            starts, f"Decoding {root.name}", unit=f"times {DECODED_AT_ONCE} images"
        ):
            part = files[start : start + DECODED_AT_ONCE]
            results = threads.map(_decode_file, part, [image_size] * len(part))
            for position, result in enumerate(results, start):
                if isinstance(result, str):
                    unreadable[position] = result
                else:
                    pixels[readable] = result
                    readable += 1
    return DecodedImages(pixels[:readable], unreadable)


def _decode_file(path: Path, image_size: int) -> Tensor | str:
    """Return the pixels, or why there are none."""
    try:
        return preprocess(path.read_bytes(), image_size)
    except ImageError as error:
        return str(error)
    except OSError as error:
        return f"The file can't be opened: {error.strerror}."


def _list_unreadable(files: Sequence[Path], unreadable: dict[int, str], *, skipped: bool) -> None:
    for position, why in unreadable.items():
        print(f"{files[position]}: {why}", file=sys.stderr)
    count = f"{len(unreadable):,} of {len(files):,} files can't be read as pictures"
    if skipped:
        print(f"{count} and are left out.", file=sys.stderr)
    else:
        raise DataError(
            f"{count}; they are listed above. Mend or remove them, or leave them out with "
            "--skip-unreadable."
        )
