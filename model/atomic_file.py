"""Files that are replaced as a whole or not at all."""

import os
from pathlib import Path
from uuid import uuid4

# Pattern of the names of files that were left when a program was killed while it wrote.
PARTIAL_PATTERN = ".*.partial"


def write_atomically(file: Path, data: bytes | str) -> None:
    """Write a file so that a kill or a power cut leaves either the old content or the new.

    Raises:
        OSError: The file can't be written; the old one, if there is one, is unchanged.
    """
    # Two programs that write the same file must not write into each other's.
    partial = file.with_name(f".{file.name}.{uuid4().hex}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(data.encode() if isinstance(data, str) else data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        error.filename = str(file)
        raise
