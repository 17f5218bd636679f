"""Changes two of TorchServe's classes, because TorchServe is no longer developed.

A changed copy of each is put before TorchServe's own on Java's class path.

``Model`` fills a batch with the requests that are waiting, and does not wait for more. After the
first request of a batch, TorchServe 0.12 waits ``maxBatchDelay`` for each further one. It counts in
whole milliseconds, and 0 stands for 100, so a lone request takes at least twice as long as it
needs. One changed word makes it count microseconds. With the ``maxBatchDelay: 1`` of
model-config.yaml, a batch then holds the requests that have arrived, up to ``batchSize``: a lone
request is answered at once, and under load batches are full.

``ConfigManager`` says whether models may be registered and removed, which TorchServe 0.12 reads at
its start. Changed, it looks each time whether there is a file :data:`MODEL_API_SWITCH` in its
working directory, so that ``python -m serving.deploy`` can turn the model API on while it runs.
"""

import zipfile
from importlib.resources import files
from pathlib import Path

# Name of the file whose presence turns the model API on: a text that ``ConfigManager`` has.
MODEL_API_SWITCH = "enable_model_api"
# What is replaced, by class file. See the Java Virtual Machine Specification, 4.4.7, for texts: a
# tag (1), the length in two bytes, and the characters; and 6.5 for instructions.
CHANGES = {
    "org/pytorch/serve/wlm/Model.class": (
        b"\x01\x00\x0cMILLISECONDS",
        b"\x01\x00\x0cMICROSECONDS",
    ),
    "org/pytorch/serve/util/ConfigManager.class": (
        # The whole method: parseBoolean(getProperty("enable_model_api", "false")) becomes
        # new File("enable_model_api").exists().
        bytes.fromhex("2a 12c6 130174 b601ed b800fa ac"),
        bytes.fromhex("bb0068 59 12c6 b7006a b6006d ac"),
    ),
}


def change_classes(directory: Path) -> None:
    """Put the changed classes into TorchServe's working directory, the first on its class path."""
    jar = files("ts") / "frontend" / "model-server.jar"
    with jar.open("rb") as content, zipfile.ZipFile(content) as classes:
        for name, (original, changed) in CHANGES.items():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(classes.read(name).replace(original, changed))
