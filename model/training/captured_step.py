"""A training step on a GPU that is captured as a CUDA graph.

At a batch size of 64, a GPU finishes each kernel of the network before Python has launched the next
one. A captured step is launched as a whole. See "CUDA Graphs" in PyTorch's notes on CUDA semantics.
"""

from collections.abc import Callable

import torch

from model.training.batches import STEPS_UNTIL_CAPTURE, Batch


class CapturedStep:
    """Runs the first steps one kernel at a time, then captures a step and replays it.

    Args:
        step: The function to run, which must not wait for the GPU. What it changes (weights, sums)
            must stay in the same tensors. Numbers that it reads in Python keep the values that they
            had when it was captured.
        batch_size: Number of images in the batches that are captured; others run as they are.
    """

    def __init__(self, step: Callable[[Batch], None], batch_size: int) -> None:
        self._step = step
        self._batch_size = batch_size
        self._steps_before_capture = STEPS_UNTIL_CAPTURE - 1
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Batch) -> None:
        """Run one step."""
        if len(batch.labels) != self._batch_size:
            self._step(batch)
        elif self._steps_before_capture:
            self._steps_before_capture -= 1
            self._run_on_side_stream(batch)
        else:
            self._replay(batch)

    def _replay(self, batch: Batch) -> None:
        if self._graph is None:
            self._captured = Batch(batch.images.clone(), batch.labels.clone(), batch.size)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._step(self._captured)
        self._captured.images.copy_(batch.images)
        self._captured.labels.copy_(batch.labels)
        self._graph.replay()

    def _run_on_side_stream(self, batch: Batch) -> None:
        # Libraries set themselves up at their first call, which must not be captured. The steps run
        # on a side stream because the capture will, too.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step(batch)
        torch.cuda.current_stream().wait_stream(stream)
