"""TorchServe's keys: those in its key file, or the last good ones where that cannot be read."""

import re
from pathlib import Path
from typing import Literal

from webui.torchserve.errors import ModelServerKeyError, ModelServerUnreachableError

KeyName = Literal["inference", "management", "API"]

# A key with its name. It is looked for wherever it stands, because the file may be incomplete:
# TorchServe empties it and writes it anew, and a full disk leaves it empty.
ENTRY = re.compile(r'"(\w+)":\s*{\s*"key":\s*"([\w-]+)"', re.ASCII)


class Keys:
    """TorchServe's keys, which stay known when their file is lost.

    Args:
        path: The key file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = {}

    def get(self, name: KeyName) -> str:
        """Return the key that was read last; see :meth:`read`."""
        return self._known.get(name) or self.read(name)

    def read(self, name: KeyName) -> str:
        """Return the key in the file, or the one that was read last if the file has none.

        Raises:
            ModelServerUnreachableError: No key was ever read, and there is no such file, which
                TorchServe writes when it starts.
            ModelServerKeyError: The key was never read, and the file does not contain it.
        """
        try:
            self._known |= ENTRY.findall(self._path.read_text(errors="replace"))
        except FileNotFoundError as error:
            if not self._known:
                raise ModelServerUnreachableError from error
        except OSError as error:
            if not self._known:
                raise ModelServerKeyError from error
        if name not in self._known:
            raise ModelServerKeyError
        return self._known[name]
