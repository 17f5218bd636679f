"""Makes TorchServe fill its batches with the requests that are waiting, not wait for more.

After the first request of a batch, TorchServe 0.12 waits ``maxBatchDelay`` for each further one. It
counts in whole milliseconds, and 0 stands for 100, so a lone request takes at least twice as long
as it needs. TorchServe is no longer developed. So a copy of the one class that waits, changed in
one word to count microseconds, is put before TorchServe's own on Java's class path. With the
``maxBatchDelay: 1`` of model-config.yaml, a batch then holds the requests that have arrived, up to
``batchSize``: a lone request is answered at once, and under load batches are full.
"""

import importlib.util
import zipfile
from pathlib import Path

CLASS_FILE = "org/pytorch/serve/wlm/Model.class"
# Constants of a class file, each with a tag (1 for text), the length in two bytes, and the text;
# see the Java Virtual Machine Specification, 4.4.7.
WAITS_MILLISECONDS = b"\x01\x00\x0cMILLISECONDS"
WAITS_MICROSECONDS = b"\x01\x00\x0cMICROSECONDS"


def count_batch_delay_in_microseconds(directory: Path) -> bool:
    """Put the changed class into TorchServe's working directory, the first on its class path.

    Returns:
        Whether the class was changed. If TorchServe's class differs from that of 0.12, it is left
        alone: serving works all the same, but each lone request waits for a millisecond.
    """
    target = directory / CLASS_FILE
    target.unlink(missing_ok=True)
    original = _torchserves_class()
    if original.count(WAITS_MILLISECONDS) != 1:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(original.replace(WAITS_MILLISECONDS, WAITS_MICROSECONDS))
    return True


def _torchserves_class() -> bytes:
    package = importlib.util.find_spec("ts")
    if package is None or package.origin is None:
        return b""
    jar = Path(package.origin).parent / "frontend" / "model-server.jar"
    try:
        with zipfile.ZipFile(jar) as classes:
            return classes.read(CLASS_FILE)
    except (OSError, KeyError, zipfile.BadZipFile):
        return b""
