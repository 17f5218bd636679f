"""The part that answers: exported graph, model card and shape of the answers, without PyTorch."""

import zipfile
import zlib
from pathlib import Path

# Names of the files that hold a trained network, in a run and in an archive.
CARD_FILE_NAME = "model_card.json"
GRAPH_FILE_NAME = "model.onnx"
QUANTISED_FILE_NAME = "model.int8.onnx"
WEIGHTS_FILE_NAME = "weights.pt"
# Name of the file of an archive that holds pictures to try: a list of {"name", "webp"}, the latter
# a file in base64.
EXAMPLES_FILE_NAME = "examples.json"


def read_file(source: Path, name: str) -> bytes:
    """Read one of these files of a run's directory, an archive, or an unpacked archive.

    Raises:
        OSError: There is no such file, or it can't be read.
        ValueError: The archive is damaged.
    """
    try:
        folder = zipfile.Path(source) if zipfile.is_zipfile(source) else source
        return (folder / name).read_bytes()
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"the archive is damaged ({error})") from error
