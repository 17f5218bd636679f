"""Quantisation of a served graph: convolutions in whole numbers of 8 bits instead of float32."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from model.inference.engine import INPUT_NAME

# Number of images whose activations are looked at together.
BATCH_SIZE = 50


class _Images(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._batches = iter(np.split(pixels, range(BATCH_SIZE, len(pixels), BATCH_SIZE)))

    def get_next(self) -> dict[str, Any] | None:
        pixels = next(self._batches, None)
        return None if pixels is None else {INPUT_NAME: pixels}


def quantise(graph: bytes, pixels: NDArray[np.uint8]) -> bytes:
    """Let the convolutions of a graph, but for the first, compute with 8 bits.

    The ranges of the activations are fixed ("static quantisation", ONNX Runtime's documentation,
    "Quantize ONNX Models"); each filter has a scale of its own. The first convolution stays as it
    is, as it is cheap and what it loses is lost for all.

    Args:
        graph: A serialised ONNX model from ``pixels``, uint8 ``(N, S, S, 3)``.
        pixels: uint8 ``(M, S, S, 3)``, about a thousand images like those to be classified.

    Returns:
        The serialised ONNX model, with the same input and output.
    """
    first = next(
        node.name for node in onnx.load_from_string(graph).graph.node if node.op_type == "Conv"
    )
    # It recommends a step that makes no difference here.
    logging.getLogger().disabled = True
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
            source.write_bytes(graph)
            quantize_static(
                source,
                target,
                _Images(pixels),
                op_types_to_quantize=["Conv", "MaxPool"],
                nodes_to_exclude=[first],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            return target.read_bytes()
    finally:
        logging.getLogger().disabled = False
