"""The keys that TorchServe leaves in its working directory."""

import json
import time
from pathlib import Path
from typing import Any, Literal

from webui.errors import ModelServerKeyError, ModelServerUnreachableError

KeyName = Literal["inference", "management", "API"]

READ_ATTEMPTS = 20
PAUSE_SECONDS = 0.01


def read_key(path: Path, name: KeyName) -> str:
    """Return the key called `name` from TorchServe's key file at `path`.

    Raises ModelServerUnreachableError when there is no such file, because TorchServe writes it at
    its start, and ModelServerKeyError when the file cannot be read or holds no such key.
    """
    try:
        key = _read_json(path)[name]["key"]
    except (KeyError, TypeError) as error:
        raise ModelServerKeyError from error
    # Anything but printable ASCII could not be sent in a header.
    if not isinstance(key, str) or not key.isascii() or not key.isprintable():
        raise ModelServerKeyError
    return key


def _read_json(path: Path) -> Any:  # noqa: ANN401
    # TorchServe empties the file and writes it anew, so that a reader may find it empty or torn.
    for _ in range(READ_ATTEMPTS):
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise ModelServerUnreachableError from error
        except OSError as error:
            raise ModelServerKeyError from error
        except ValueError:
            time.sleep(PAUSE_SECONDS)
    raise ModelServerKeyError
