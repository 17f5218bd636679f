"""The standardisation of pixels, folded into the first layer of a network."""

from typing import cast

import torch
from torch import Tensor, nn


@torch.no_grad()
def fold_standardisation(first: nn.Conv2d, mean: Tensor, deviation: Tensor) -> None:
    """Make a layer compute from pixels in [0, 1] what it would have computed from standard ones.

    Standard ones are ``(pixels - mean) / deviation``, by channel, both float ``(3,)``. The layer
    has not been trained, and has a bias.
    """
    first.weight /= deviation[:, None, None]
    cast("Tensor", first.bias).sub_((first.weight.sum(dim=(2, 3)) * mean).sum(dim=1))


def measure_channels(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each channel, both float ``(3,)``.

    ``pixels`` are float ``(N, 3, S, S)``.
    """
    deviation, mean = torch.std_mean(pixels, dim=(0, 2, 3))
    # Pictures of one colour deviate by nothing.
    return mean, deviation.clamp(min=1 / 255)
