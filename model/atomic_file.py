"""Files that are replaced as a whole or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4


def write_atomically(file: Path, data: bytes | str | Iterable[str]) -> None:
    """Write a file so that a kill or a power cut leaves either the old content or the new.

    The content is ``data``, or its parts one after another.

    Raises:
        OSError: The file can't be written; the old one, if there is one, is unchanged.
    """
    # Two programs that write the same file must not write into each other's.
    partial = file.with_name(f".{file.name}.{uuid4().hex}.partial")
    parts = [data] if isinstance(data, bytes | str) else data
    try:
        with partial.open("wb") as stream:
            stream.writelines(part.encode() if isinstance(part, str) else part for part in parts)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        error.filename = str(file)
        raise


def remove_partial_files(folder: Path) -> None:
    """Remove what is left in a folder of files that were never written to their end."""
    for partial in folder.glob(".*.partial"):
        partial.unlink(missing_ok=True)
