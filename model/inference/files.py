"""Classifies files on disk, any number of them in constant memory."""

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from model.images.errors import ImageError, ImageTooLargeError
from model.images.preprocessing import PreparedImage
from model.inference.answer import error_answer
from model.inference.classifier import Classifier

BATCH_SIZE = 64
STANDARD_INPUT = "-"
# Maximum size of a file: twice that of the largest accepted BMP, which is not compressed.
MAX_FILE_BYTES = 512_000_000
# HTTP statuses of the exceptions that have one; any other gets 400.
HTTP_CODES: dict[type[OSError], int] = {FileNotFoundError: 404, PermissionError: 403}


def find_files(names: Iterable[str]) -> list[str]:
    """Replace every folder by the visible files below it, in the order of their names.

    A folder without visible files stays in the list, so that it gets an error.
    """
    files: list[str] = []
    for name in names:
        files += (_walk(name) if Path(name).is_dir() else []) or [name]
    return files


def _walk(folder: str) -> list[str]:
    found: list[str] = []
    walk = os.walk(folder, onerror=lambda error: found.append(error.filename))
    for parent, folders, files in walk:
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [Path(parent) / name for name in sorted(files) if not name.startswith(".")]
        # Pipes are left out, because reading one would wait until somebody writes to it.
        found += [str(path) for path in paths if path.is_file() or not path.exists()]
    return found


def classify_files(
    classifier: Classifier, files: Iterable[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Classify files, or ``-`` for standard input, in batches, which is faster than one by one.

    Yields:
        Each file with its REST answer, or with ``{"error": {"code", "type", "message"}}``.
    """
    remaining = iter(files)
    while batch := list(islice(remaining, BATCH_SIZE)):
        outcomes = [_prepare(classifier, file) for file in batch]
        readable = [image for image in outcomes if isinstance(image, PreparedImage)]
        answers = iter(classifier.answers(readable))
        for file, outcome in zip(batch, outcomes, strict=True):
            yield file, next(answers) if isinstance(outcome, PreparedImage) else {"error": outcome}


def _prepare(classifier: Classifier, file: str) -> PreparedImage | dict[str, Any]:
    try:
        return classifier.prepare(_read(file))
    except ImageError as error:
        return error_answer(error)
    except OSError as error:
        message = f"The file can't be read: {error.strerror}."
        if isinstance(error, IsADirectoryError):
            message = "The folder holds no visible files, or can't be listed."
        code = HTTP_CODES.get(type(error), 400)
        return {"code": code, "type": type(error).__name__, "message": message}


def _read(file: str) -> bytes:
    if file == STANDARD_INPUT:
        data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    else:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ImageTooLargeError(f"The file is larger than {MAX_FILE_BYTES:,} bytes.")
    return data
