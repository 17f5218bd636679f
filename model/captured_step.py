"""A training step on a GPU as one CUDA graph.

At a batch of 64 a GPU is done with each kernel of the net before Python has launched the next one.
A captured step is launched as a whole. See "CUDA Graphs" in PyTorch's notes on CUDA semantics.
"""

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP_STEPS = 3


class CapturedStep:
    """Runs the first steps as they are, then captures one, and replays it from there on.

    Args:
        step: what to run, always with tensors of the same shapes; it must not wait for the GPU.
            What it changes (weights, sums) must stay in the same tensors. Numbers that it reads
            in Python, such as the learning rate, stay what they were when it was captured.
    """

    def __init__(self, step: Callable[[Tensor, Tensor], None]) -> None:
        self._step = step
        self._steps_before_capture = WARM_UP_STEPS
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, indices: Tensor, inverse: Tensor) -> None:
        """Run the step with ``indices`` and ``inverse``, both on the GPU."""
        if self._steps_before_capture:
            self._steps_before_capture -= 1
            self._run_beside(indices, inverse)
            return
        if self._graph is None:
            self._indices, self._inverse = indices.clone(), inverse.clone()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._step(self._indices, self._inverse)
        self._indices.copy_(indices)
        self._inverse.copy_(inverse)
        self._graph.replay()

    def _run_beside(self, indices: Tensor, inverse: Tensor) -> None:
        # What libraries set up at their first call must not fall into the capture, and a stream
        # of its own is where the capture will run.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step(indices, inverse)
        torch.cuda.current_stream().wait_stream(stream)
