"""BentoML with ONNX Runtime, as its documentation shows it for pictures, with two workers.

NETWORK=DIR bentoml serve benchmarks.serving.peers.bentoml_serving:Pictures
"""

from typing import Any

import bentoml
from PIL.Image import Image

from benchmarks.serving.peers.onnx_classifier import OnnxClassifier


@bentoml.service(workers=2, logging={"access": {"enabled": False}})
class Pictures:
    """Classifies pictures that come as the multipart field ``image``."""

    def __init__(self) -> None:
        self.classifier = OnnxClassifier()

    @bentoml.api
    def predict(self, image: Image) -> dict[str, Any]:
        """Answer which class the picture shows."""
        pixels = self.classifier.pixels(image)
        return self.classifier.answer(self.classifier.probabilities(pixels[None])[0])
