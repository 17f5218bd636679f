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
    """TorchServe's keys, kept in memory because a full disk leaves the key file empty.

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
        """Return the key in the file, or the one that was read last if the file has none.

        Raises:
            ModelServerUnreachableError: No key was ever read, and there is no such file, which
                TorchServe writes when it starts.
            ModelServerKeyError: The key was never read, and the file does not contain it.
        """
        # TorchServe empties the file and writes it anew, so it may be empty or incomplete.
        for _ in range(READ_ATTEMPTS):
            try:
                keys = json.loads(self._path.read_bytes()).items()
                self._known |= {one: str(entry["key"]) for one, entry in keys}
                break
            except FileNotFoundError as error:
                if not self._known:
                    raise ModelServerUnreachableError from error
                break
            except OSError:
                break
            except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
                time.sleep(PAUSE_SECONDS)
        if not (key := self._known.get(name)):
            raise ModelServerKeyError
        return key
