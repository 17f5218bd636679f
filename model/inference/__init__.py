"""The part that answers: exported graph, model card and shape of the answers, without PyTorch."""

import zipfile
from pathlib import Path

# Names of the files that hold a trained network, in a run and in an archive.
CARD_FILE_NAME = "model_card.json"
GRAPH_FILE_NAME = "model.onnx"
QUANTISED_FILE_NAME = "model.int8.onnx"
WEIGHTS_FILE_NAME = "weights.pt"


def open_files(source: Path) -> Path | zipfile.Path:
    """Return the directory of a run, or the root of an archive, to find these files in."""
    return zipfile.Path(source) if zipfile.is_zipfile(source) else source
