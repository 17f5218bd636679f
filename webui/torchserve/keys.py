"""The keys that TorchServe leaves in its working directory."""

import json
import time
from pathlib import Path
from typing import Any, Literal

from webui.torchserve.errors import ModelServerKeyError, ModelServerUnreachableError

KeyName = Literal["inference", "management", "API"]

READ_ATTEMPTS = 20
PAUSE_SECONDS = 0.01


def read_key(path: Path, name: KeyName) -> str:
    """Return one of TorchServe's keys.

    Args:
        path: The key file.
        name: Which key.

    Returns:
        The key as it goes into a header.

    Raises:
        ModelServerUnreachableError: There is no such file, which TorchServe writes when it starts.
        ModelServerKeyError: The file cannot be read, or does not contain the key.
    """
    try:
        key = _read_json(path)[name]["key"]
    except (KeyError, TypeError) as error:
        raise ModelServerKeyError from error
    # Only printable ASCII can be sent in a header.
    if not isinstance(key, str) or not key.isascii() or not key.isprintable():
        raise ModelServerKeyError
    return key


def _read_json(path: Path) -> Any:  # noqa: ANN401
    # TorchServe empties the file and writes it anew, so a reader may find it empty or incomplete.
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
