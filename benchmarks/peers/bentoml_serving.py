"""BentoML with ONNX Runtime, as its documentation shows it for pictures, with two workers.

NET_DIRECTORY=DIR bentoml serve benchmarks.peers.bentoml_serving:Pictures
"""

import os
from pathlib import Path
from typing import Any

import bentoml
from PIL.Image import Image

from benchmarks.peers.onnx_classifier import OnnxClassifier


@bentoml.service(workers=2, logging={"access": {"enabled": False}})
class Pictures:
    """Classifies pictures that come as the multipart field ``image``."""

    def __init__(self) -> None:
        self.classifier = OnnxClassifier(Path(os.environ["NET_DIRECTORY"]))

    @bentoml.api
    def predict(self, image: Image) -> dict[str, Any]:
        """Answer which class the picture shows."""
        pixels = self.classifier.pixels(image)
        return self.classifier.answer(self.classifier.probabilities(pixels[None])[0])
