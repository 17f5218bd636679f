"""Runs a served network: an ONNX graph from pixels to probabilities, in ONNX Runtime."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

# Names of the graph's one input and its one output.
INPUT_NAME, OUTPUT_NAME = "pixels", "probabilities"


class OnnxEngine:
    """Computes probabilities in float32 on the CPU, with its fastest instructions.

    PyTorch takes four times as long for one small image, most of it between the operations.

    Args:
        graph: A serialised ONNX model from ``pixels``, uint8 ``(N, S, S, 3)``, to
            ``probabilities``, float32 ``(N, C)``.
        threads: Number of threads for one computation.

    Raises:
        ValueError: ONNX Runtime can't read ``graph``.
    """

    def __init__(self, graph: bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            # ONNX Runtime's exceptions have no common base but Exception.
            raise ValueError("the network's ONNX graph can't be read") from error

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify a batch.

        Args:
            pixels: uint8 ``(N, S, S, 3)``, RGB, 0 to 255, N ≥ 1.

        Returns:
            float32 ``(N, C)``, in [0, 1], rows sum to 1.
        """
        result: NDArray[np.float32] = self._session.run([OUTPUT_NAME], {INPUT_NAME: pixels})[0]
        return result
