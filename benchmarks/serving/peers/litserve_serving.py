"""LitServe with ONNX Runtime, as its documentation shows it for pictures: base64 in JSON.

NETWORK=DIR python -m benchmarks.serving.peers.litserve_serving PORT
"""

import base64
import io
import sys
from typing import Any

import litserve
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.serving.peers.onnx_classifier import OnnxClassifier


class PictureAPI(litserve.LitAPI):
    """Decodes each picture alone, and classifies what has come together in a batch."""

    def setup(self, _device: str) -> None:
        """Load the network in the worker."""
        self.classifier = OnnxClassifier()

    def decode_request(self, request: dict[str, str]) -> NDArray[np.uint8]:
        """Return the pixels of one request."""
        return self.classifier.pixels(Image.open(io.BytesIO(base64.b64decode(request["image"]))))

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify a batch."""
        return self.classifier.probabilities(pixels)

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, Any]:
        """Return what one request is answered."""
        return self.classifier.answer(output)


if __name__ == "__main__":
    api = PictureAPI(max_batch_size=16, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False
    )
