"""Runs a served network, an ONNX graph from pixels to probabilities, in ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

# Names of the graph's one input and its outputs; graphs from elsewhere have only the first.
INPUT_NAME, OUTPUT_NAME, OOD_OUTPUT_NAME = "pixels", "probabilities", "ood_scores"
# Instructions for scalar products of 8 bits, as Linux calls them on x86 and on ARM.
INT8_INSTRUCTIONS = {"avx512_vnni", "avx_vnni", "asimddp"}


def is_quick_at_int8() -> bool:
    """Return whether the processor multiplies whole numbers of 8 bits faster than float32.

    Without these instructions, products of 8 bits may also overflow, which costs accuracy.
    """
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return not INT8_INSTRUCTIONS.isdisjoint(words)


class OnnxEngine:
    """Computes probabilities on the CPU, with its fastest instructions.

    PyTorch takes four times as long for one small image, most of it between the operations.

    Args:
        graph: A serialised ONNX model from ``pixels``, uint8 ``(N, H, W, 3)``, to
            ``probabilities``, float32 ``(N, C)``, and, as a rule, ``ood_scores``, float32 ``(N,)``.
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

    def compute(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Classify a batch.

        Args:
            pixels: uint8 ``(N, H, W, 3)``, RGB, 0 to 255, N ≥ 1.

        Returns:
            The probabilities, float32 ``(N, C)``, in [0, 1], rows sum to 1; and how strange each
            picture is, float32 ``(N,)``, or NaN where the graph does not tell.
        """
        probabilities, *scores = self._session.run(None, {INPUT_NAME: pixels})
        return probabilities, scores[0] if scores else np.full(len(pixels), np.nan, np.float32)
