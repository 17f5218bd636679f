"""The net in ONNX Runtime, as the peers that serve it hold it.

    python -m benchmarks.peers.onnx_classifier DIRECTORY

writes ``net.onnx`` beside the ``weights.npz`` that it is made from.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image


class OnnxClassifier:
    """Answers which class a picture shows, with one thread: the processes are the parallelism.

    Args:
        directory: holds ``net.onnx`` and ``classes.json``.
    """

    def __init__(self, directory: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            directory / "net.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._classes = json.loads((directory / "classes.json").read_text())

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Return the pixels of a file, see :meth:`pixels`."""
        return self.pixels(Image.open(io.BytesIO(data)))

    def pixels(self, image: Image.Image) -> NDArray[np.float32]:
        """Return a picture as float32 ``(3, 32, 32)``, RGB in [0, 1]."""
        small = image.convert("RGB").resize((32, 32))
        return np.asarray(small, np.float32).transpose(2, 0, 1) / np.float32(255)

    def probabilities(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Classify a batch ``(N, 3, 32, 32)``; rows of the answer ``(N, C)`` sum to 1."""
        rows: NDArray[np.float32] = self._session.run(None, {"pixels": pixels})[0]
        return rows

    def answer(self, probabilities: NDArray[np.float32]) -> dict[str, Any]:
        """Put the probabilities of one picture ``(C,)`` into the shape of the REST answer."""
        by_class = dict(zip(self._classes, probabilities.tolist(), strict=True))
        return {"label": max(by_class, key=by_class.__getitem__), "probabilities": by_class}

    def classify(self, data: bytes) -> dict[str, Any]:
        """Answer for one file."""
        return self.answer(self.probabilities(self.decode(data)[None])[0])


def build_net(weights: dict[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """Return the reference CNN, from float32 pixels ``(N, 3, 32, 32)`` to probabilities.

    Args:
        weights: by their names in PyTorch's state dict.
    """
    convolution, pooling = {"kernel_shape": [3, 3]}, {"kernel_shape": [2, 2], "strides": [2, 2]}
    layers: list[tuple[str, str, dict[str, Any]]] = [
        ("Conv", "features.0", convolution),
        ("MaxPool", "", pooling),
        ("Relu", "", {}),
        ("Conv", "features.3", convolution),
        ("MaxPool", "", pooling),
        ("Relu", "", {}),
        ("Flatten", "", {}),
        ("Gemm", "dense", {"transB": 1}),
        ("Relu", "", {}),
        ("Gemm", "output", {"transB": 1}),
        ("Softmax", "", {"axis": 1}),
    ]
    nodes, before = [], "pixels"
    for number, (kind, name, settings) in enumerate(layers, start=1):
        parameters = [f"{name}.weight", f"{name}.bias"] if name else []
        after = "probabilities" if number == len(layers) else f"hidden_{number}"
        nodes.append(helper.make_node(kind, [before, *parameters], [after], **settings))
        before = after
    graph = helper.make_graph(
        nodes,
        "ReferenceCNN",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", "C"])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Write ``net.onnx``."""
    directory = Path(sys.argv[1])
    with np.load(directory / "weights.npz") as weights:
        onnx.save(build_net(dict(weights)), directory / "net.onnx")


if __name__ == "__main__":
    main()
