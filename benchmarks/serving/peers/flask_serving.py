"""The original's way: Flask's own server, and Keras' ``model.predict`` in its process.

NETWORK=DIR python -m benchmarks.serving.peers.flask_serving PORT
"""

import io
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask, request
from PIL import Image

from benchmarks.training.keras_training import build_network

app = Flask(__name__)


def load_model(directory: Path) -> Any:  # noqa: ANN401 (Keras has no types here)
    """Return the network with the weights in ``weights.npz``, which are in PyTorch's layout."""
    with np.load(directory / "weights.npz") as file:
        weights = dict(file)
    model = build_network(len(weights["output.bias"]))
    # Keras keeps the channels last, also where it flattens 6 × 6 pixels of 64 channels.
    dense = weights["dense.weight"].reshape(128, 64, 6, 6).transpose(2, 3, 1, 0).reshape(2304, 128)
    first, second = (weights[f"features.{i}.weight"].transpose(2, 3, 1, 0) for i in (0, 3))
    kernels = (first, second, dense, weights["output.weight"].T)
    biases = (weights[f"{name}.bias"] for name in ("features.0", "features.3", "dense", "output"))
    model.set_weights([array for pair in zip(kernels, biases, strict=True) for array in pair])
    return model


@app.post("/predict")
def predict() -> dict[str, Any]:
    """Answer which class the picture in the multipart field ``image`` shows."""
    image = Image.open(io.BytesIO(request.files["image"].read())).convert("RGB").resize((32, 32))
    pixels = np.asarray(image, np.float32)[None] / 255
    probabilities = model.predict(pixels, verbose=0)[0]
    by_class = dict(zip(class_names, probabilities.tolist(), strict=True))
    return {"label": max(by_class, key=by_class.__getitem__), "probabilities": by_class}


if __name__ == "__main__":
    directory = Path(os.environ["NETWORK"])
    class_names = json.loads((directory / "classes.json").read_text())
    model = load_model(directory)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
