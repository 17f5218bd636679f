"""A training step on a GPU that is captured as a CUDA graph.

At a batch size of 64, a GPU finishes each kernel of the network before Python has launched the next
one. A captured step is launched as a whole. See "CUDA Graphs" in PyTorch's notes on CUDA semantics.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# Number of steps that run before one is captured.
WARM_UP_STEPS = 3


class CapturedStep:
    """Runs the first steps one kernel at a time, then captures a step and replays it.

    Args:
        step: the function to run, which gets tensors of the same shapes each time and must not wait
            for the GPU. What it changes (weights, sums) must stay in the same tensors. Numbers
            that it reads in Python keep the values that they had when it was captured.
    """

    def __init__(self, step: Callable[[Tensor, Tensor], None]) -> None:
        self._step = step
        self._steps_before_capture = WARM_UP_STEPS
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, indices: Tensor, inverse: Tensor) -> None:
        """Run one step.

        Args:
            indices: int64 ``(N,)``, the images of the batch, on the GPU.
            inverse: float ``(N, 2, 3)``, how each of them is augmented, on the GPU.
        """
        if self._steps_before_capture:
            self._steps_before_capture -= 1
            self._run_on_side_stream(indices, inverse)
            return
        if self._graph is None:
            self._indices, self._inverse = indices.clone(), inverse.clone()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._step(self._indices, self._inverse)
        self._indices.copy_(indices)
        self._inverse.copy_(inverse)
        self._graph.replay()

    def _run_on_side_stream(self, indices: Tensor, inverse: Tensor) -> None:
        # Libraries set themselves up at their first call, which must not be captured. The steps run
        # on a side stream because the capture will, too.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step(indices, inverse)
        torch.cuda.current_stream().wait_stream(stream)
