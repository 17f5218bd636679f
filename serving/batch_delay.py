"""Makes TorchServe fill its batches with the requests that are waiting, not wait for more.

After the first request of a batch, TorchServe 0.12 waits ``maxBatchDelay`` for each further one. It
counts in whole milliseconds, and 0 stands for 100, so a lone request takes at least twice as long
as it needs. TorchServe is no longer developed. So a copy of the one class that waits, changed in
one word to count microseconds, is put before TorchServe's own on Java's class path. With the
``maxBatchDelay: 1`` of model-config.yaml, a batch then holds the requests that have arrived, up to
``batchSize``: a lone request is answered at once, and under load batches are full.
"""

import zipfile
from importlib.resources import files
from pathlib import Path

CLASS_FILE = "org/pytorch/serve/wlm/Model.class"
# Constants of a class file, each with a tag (1 for text), the length in two bytes, and the text;
# see the Java Virtual Machine Specification, 4.4.7.
WAITS_MILLISECONDS = b"\x01\x00\x0cMILLISECONDS"
WAITS_MICROSECONDS = b"\x01\x00\x0cMICROSECONDS"


def count_batch_delay_in_microseconds(directory: Path) -> None:
    """Put the changed class into TorchServe's working directory, the first on its class path."""
    jar = files("ts") / "frontend" / "model-server.jar"
    with jar.open("rb") as content, zipfile.ZipFile(content) as classes:
        original = classes.read(CLASS_FILE)
    target = directory / CLASS_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(original.replace(WAITS_MILLISECONDS, WAITS_MICROSECONDS))
