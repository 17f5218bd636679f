"""A net as it is served: an ONNX graph from pixels to probabilities, run by ONNX Runtime."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

FILE_NAME = "net.onnx"
INPUT_NAME, OUTPUT_NAME = "pixels", "probabilities"


class OnnxNet:
    """Computes in float32 on the CPU, with the fastest instructions that it has.

    PyTorch needs four times as long for one small image, most of it between the operations.

    Args:
        graph: a serialised ONNX model from ``pixels``, uint8 ``(N, S, S, 3)``, to
            ``probabilities``, float32 ``(N, C)``.
        threads: number of threads for one computation.

    Raises:
        ValueError: the bytes are no such graph.
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
            # ONNX Runtime's exceptions have nothing in common but Exception.
            raise ValueError("the net's ONNX graph can't be read") from error

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify a batch.

        Args:
            pixels: uint8 ``(N, S, S, 3)``, RGB, N ≥ 1.

        Returns:
            float32 ``(N, C)``, rows sum to 1.
        """
        result: NDArray[np.float32] = self._session.run([OUTPUT_NAME], {INPUT_NAME: pixels})[0]
        return result
