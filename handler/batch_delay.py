"""Let TorchServe fill its batches with what is waiting, instead of waiting for more.

After the first request of a batch TorchServe 0.12 waits ``maxBatchDelay`` for each further one. It
counts in whole milliseconds, and 0 stands for 100: so a request that comes alone takes at least
twice as long as it needs. TorchServe is not developed any further. So the one class that waits is
put before TorchServe's own on Java's class path, changed in one word: it waits for microseconds.
With the ``maxBatchDelay: 1`` of model-config.yaml a batch then holds what has already arrived, up
to ``batchSize``: a lone request is answered at once, and under load batches are full.
"""

import importlib.util
import zipfile
from pathlib import Path

CLASS_FILE = "org/pytorch/serve/wlm/Model.class"
# Constants of a class file: a tag (1 for text), the length in two bytes, the text. See the Java
# Virtual Machine Specification, 4.4.7.
WAITS_MILLISECONDS = b"\x01\x00\x0cMILLISECONDS"
WAITS_MICROSECONDS = b"\x01\x00\x0cMICROSECONDS"


def count_batch_delay_in_microseconds(directory: Path) -> bool:
    """Put the changed class where a TorchServe that is started in ``directory`` finds it first.

    Args:
        directory: TorchServe's working directory, which its class path begins with.

    Returns:
        Whether it is there. It is not where TorchServe's class is another one than 0.12's, which
        works as well, with a millisecond for each request that comes alone.
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
