"""The network in ONNX Runtime, as the peers that serve it hold it."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image


class OnnxClassifier:
    """Answers which class a picture shows, with one thread: the processes are the parallelism.

    The directory that the environment variable ``NETWORK`` names holds ``classes.json`` and the
    graph, ``model.onnx`` or the file that ``GRAPH`` names.
    """

    def __init__(self) -> None:
        directory = Path(os.environ["NETWORK"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            directory / os.environ.get("GRAPH", "model.onnx"),
            options,
            providers=["CPUExecutionProvider"],
        )
        self._classes = json.loads((directory / "classes.json").read_text())

    def pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return a picture as uint8 ``(32, 32, 3)``, RGB."""
        return np.asarray(image.convert("RGB").resize((32, 32)))

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify a batch ``(N, 32, 32, 3)``; rows of the answer ``(N, C)`` sum to 1."""
        rows: NDArray[np.float32] = self._session.run(None, {"pixels": pixels})[0]
        return rows

    def answer(self, probabilities: NDArray[np.float32]) -> dict[str, Any]:
        """Put the probabilities of one picture ``(C,)`` into the shape of the REST answer."""
        by_class = dict(zip(self._classes, probabilities.tolist(), strict=True))
        return {"label": max(by_class, key=by_class.__getitem__), "probabilities": by_class}

    def classify(self, data: bytes) -> dict[str, Any]:
        """Answer for one file."""
        return self.answer(self.probabilities(self.pixels(Image.open(io.BytesIO(data)))[None])[0])
