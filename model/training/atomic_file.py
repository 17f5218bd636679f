"""Tensors in files that are replaced as a whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch

from model.atomic_file import write_atomically


def save_atomically(file: Path, tensors: dict[str, Any]) -> None:
    """Write tensors and plain values for ``torch.load``, as :func:`write_atomically` does."""
    # torch.save doesn't write the file itself: its error on a full disk is not an OSError.
    serialised = io.BytesIO()
    torch.save(tensors, serialised)
    write_atomically(file, serialised.getvalue())
