"""TorchServe's keys: those in its key file, or the last good ones where that cannot be read."""

import json
import time
from pathlib import Path
from typing import Literal

from webui.torchserve.errors import ModelServerKeyError, ModelServerUnreachableError

KeyName = Literal["inference", "management", "API"]

READ_ATTEMPTS = 20
PAUSE_SECONDS = 0.01


class Keys:
    """TorchServe's keys, kept in memory: on a full disk, TorchServe leaves its key file empty.

    Args:
        path: The key file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = {}

    def get(self, name: KeyName) -> str:
        """Return the key that was read last, as it goes into a header; see :meth:`read`."""
        return self._known.get(name) or self.read(name)

    def read(self, name: KeyName) -> str:
        """Return the key in the file, or the one that was read last if there is none.

        Raises:
            ModelServerUnreachableError: There is no such file, which TorchServe writes when it
                starts, and there was none.
            ModelServerKeyError: The file cannot be read, or lacks the key, and always did.
        """
        try:
            self._known |= _read_file(self._path)
        except (ModelServerUnreachableError, ModelServerKeyError):
            if name not in self._known:
                raise
        if name not in self._known:
            raise ModelServerKeyError
        return self._known[name]


def _read_file(path: Path) -> dict[str, str]:
    # TorchServe empties the file and writes it anew, so a reader may find it empty or incomplete.
    for _ in range(READ_ATTEMPTS):
        try:
            entries = json.loads(path.read_bytes()).items()
            return {name: _require_printable(entry["key"]) for name, entry in entries}
        except FileNotFoundError as error:
            raise ModelServerUnreachableError from error
        except OSError as error:
            raise ModelServerKeyError from error
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
            time.sleep(PAUSE_SECONDS)
    raise ModelServerKeyError


def _require_printable(key: str) -> str:
    # Only printable ASCII can be sent in a header.
    if not key.isascii() or not key.isprintable():
        raise ValueError
    return key
