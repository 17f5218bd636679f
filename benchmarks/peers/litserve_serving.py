"""LitServe with ONNX Runtime, as its documentation shows it for pictures: base64 in JSON.

python -m benchmarks.peers.litserve_serving DIRECTORY PORT
"""

import base64
import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.onnx_classifier import OnnxClassifier

MAX_BATCH_SIZE = 16
BATCH_SECONDS = 0.001


class PictureAPI(litserve.LitAPI):
    """Decodes each picture alone, and classifies what has come together in a batch."""

    def setup(self, _device: str) -> None:
        """Load the net in the worker."""
        self.classifier = OnnxClassifier(Path(sys.argv[1]))

    def decode_request(self, request: dict[str, str]) -> NDArray[np.float32]:
        """Return the pixels of one request."""
        return self.classifier.decode(base64.b64decode(request["image"]))

    def batch(self, inputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Put pictures ``(3, 32, 32)`` together."""
        return np.stack(inputs)

    def predict(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Classify a batch."""
        return self.classifier.probabilities(pixels)

    def unbatch(self, output: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Take the answers apart."""
        return list(output)

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, Any]:
        """Return what one request is answered."""
        return self.classifier.answer(output)


if __name__ == "__main__":
    api = PictureAPI(max_batch_size=MAX_BATCH_SIZE, batch_timeout=BATCH_SECONDS)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False
    )
