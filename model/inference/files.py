"""Classifies files on disk, any number of them in constant memory."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from model.images.errors import ImageError, ImageTooLargeError
from model.images.preprocessing import PreparedImage
from model.inference.answer import error_answer
from model.inference.classifier import Classifier

BATCH_SIZE = 64
STANDARD_INPUT = "-"
# Maximum size of a file: twice that of the largest accepted BMP, which is not compressed.
MAX_FILE_BYTES = 512_000_000
# Size of the pieces in which a file is read.
PIECE_BYTES = 1 << 18
# HTTP statuses of the exceptions that have one; any other gets 400.
HTTP_CODES: dict[type[OSError], int] = {FileNotFoundError: 404, PermissionError: 403}

# A picture, or the error that stands for it.
Outcome = PreparedImage | dict[str, Any]


def find_files(names: Iterable[str]) -> list[str]:
    """Replace every folder by the visible files below it, in the order of their names.

    A folder without visible files stays in the list, so that it gets an error.
    """
    files: list[str] = []
    for name in names:
        files += (list(walk(name)) if Path(name).is_dir() else []) or [name]
    return files


def walk(folder: str) -> Iterator[str]:
    """Yield the visible files below a folder, and folders that can't be listed."""
    unlisted: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=lambda e: unlisted.append(e.filename)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent) / name
            # Pipes are left out, because reading one would wait until somebody writes to it.
            if not name.startswith(".") and (path.is_file() or not path.exists()):
                yield str(path)
    yield from unlisted


def read(file: str) -> bytes:
    """Read a file, or ``-`` for standard input; raises ``ImageTooLargeError`` or ``OSError``."""
    if file == STANDARD_INPUT:
        return read_within_limit(sys.stdin.buffer)
    # Without a buffer, as one of Python's costs more than reading a small file.
    with Path(file).open("rb", buffering=0) as stream:
        return read_within_limit(stream)


def classify_files(
    classifier: Classifier,
    files: Iterable[str],
    read: Callable[[str], bytes] = read,
    map_files: Callable[..., Iterable[tuple[str, Outcome]]] = map,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Classify files in batches, which is faster than one by one.

    Args:
        classifier: What classifies.
        files: Names of the files.
        read: What returns a file's content, or raises ``ImageTooLargeError`` or ``OSError``.
        map_files: What reads and decodes many files, as ``map`` does, or ``map`` of a pool.

    Yields:
        Each file with its REST answer, or with ``{"error": {"code", "type", "message"}}``.
    """
    outcomes = iter(map_files(partial(_prepare, classifier, read), files))
    while batch := list(islice(outcomes, BATCH_SIZE)):
        readable = [image for _, image in batch if isinstance(image, PreparedImage)]
        answers = iter(classifier.answers(readable))
        for file, outcome in batch:
            yield file, next(answers) if isinstance(outcome, PreparedImage) else {"error": outcome}


def _prepare(
    classifier: Classifier, read: Callable[[str], bytes], file: str
) -> tuple[str, Outcome]:
    try:
        return file, classifier.prepare(read(file))
    except ImageError as error:
        return file, error_answer(error)
    except OSError as error:
        message = f"The file can't be read: {error.strerror or error}."
        if isinstance(error, IsADirectoryError):
            message = "The folder holds no visible files, or can't be listed."
        code = HTTP_CODES.get(type(error), 400)
        return file, {"code": code, "type": type(error).__name__, "message": message}


def read_within_limit(stream: BinaryIO | FileIO) -> bytes:
    """Read all of a file; raises ``ImageTooLargeError`` beyond :data:`MAX_FILE_BYTES`."""
    pieces, left = [], MAX_FILE_BYTES + 1
    # One read of all would set aside memory for the limit, which takes longer than a small picture.
    while left and (piece := stream.read(min(left, PIECE_BYTES))):
        pieces.append(piece)
        left -= len(piece)
    data = b"".join(pieces)
    if not left:
        raise ImageTooLargeError(f"The file is larger than {MAX_FILE_BYTES:,} bytes.")
    return data
