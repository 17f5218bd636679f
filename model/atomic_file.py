"""Files that are either there as a whole or as they were before."""

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import torch


def write_atomically(file: Path, data: bytes | str) -> None:
    """Write ``data``, text in UTF-8, so that a kill or a power cut leaves the old file or the new.

    Raises:
        OSError: it can't be written; the old file, if any, is unchanged.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(data.encode() if isinstance(data, str) else data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        error.filename = str(file)
        raise


def save_atomically(file: Path, tensors: dict[str, Any]) -> None:
    """Write ``tensors`` as a file for ``torch.load``; raises ``OSError`` as above."""
    # Not straight into the file: what torch.save raises on a full disk is no OSError.
    serialised = io.BytesIO()
    torch.save(tensors, serialised)
    write_atomically(file, serialised.getvalue())
