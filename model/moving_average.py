"""A net whose weights are a moving average of another's."""

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """An exponential moving average of weights that forgets its first values sooner.

    After n steps it decays by (1 + n) / (10 + n), but by no more than ``decay``: an average that
    clung to the untrained weights would be of no use in a short training. The formula is that of
    TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``. (PyTorch's ``AveragedModel``
    waits for the GPU in each step, so that a step with it can't be captured.)

    Args:
        net: whose weights are averaged.
        decay: share in [0, 1) of the old average that remains, in the long run.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).requires_grad_(requires_grad=False)
        self._source = net
        self._decay = decay
        self.steps = torch.zeros((), device=next(net.parameters()).device)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the present weights of the net."""
        self.steps += 1
        remaining = ((1 + self.steps) / (10 + self.steps)).clamp(max=self._decay)
        taken: Tensor = 1 - remaining
        for average, value in zip(self.net.parameters(), self._source.parameters(), strict=True):
            average.lerp_(value, taken)
