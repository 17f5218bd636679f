"""A network whose weights are a moving average of another network's."""

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """An exponential moving average of a network's weights, which forgets the first ones sooner.

    The idea of averaging the weights of many steps is Polyak and Juditsky's (1992). After n steps
    the average decays by min(``decay``, (1 + n) / (10 + n)), as TensorFlow's
    ``ExponentialMovingAverage`` with ``num_updates`` does: otherwise the untrained weights would
    dominate a short training. PyTorch's ``AveragedModel`` waits for the GPU in each step, so a step
    with it can't be captured.

    Args:
        network: the network whose weights are averaged.
        decay: share in [0, 1) of the old average that each step keeps in the long run.

    Attributes:
        network: a copy of the network with the averaged weights.
        steps: number of steps averaged, float ``()``, on the device of the network.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self._source = network
        self._decay = decay
        self.steps = torch.zeros((), device=next(network.parameters()).device)

    @torch.no_grad()
    def update(self) -> None:
        """Include the present weights of the network in the average."""
        self.steps += 1
        remaining = ((1 + self.steps) / (10 + self.steps)).clamp(max=self._decay)
        added: Tensor = 1 - remaining
        for average, value in zip(
            self.network.parameters(), self._source.parameters(), strict=True
        ):
            average.lerp_(value, added)
