"""Removes the dead units of a trained network, so that it is served faster.

Weight decay draws all weights of some units to zero. The output of such a unit is a constant, which
can be added to the biases of the next layer once and for all. In the shipped network half of the
second convolution's 64 filters and two thirds of the 128 dense units are dead.
"""

import copy

import torch
from torch import Tensor, nn

# Number of units that a processor computes at once; removing fewer would save nothing.
UNITS_AT_ONCE = 16

Weighted = nn.Conv2d | nn.Linear


@torch.no_grad()
def without_dead_units(network: nn.Module) -> nn.Sequential:
    """Build a network that computes the same with fewer units.

    Args:
        network: A chain of layers, registered in the order in which they compute: unpadded
            convolutions and dense layers, and between them layers that keep constants constant.

    Returns:
        A new network in evaluation mode, with the same inputs and outputs.

    Raises:
        ValueError: The network has other layers.
    """
    layers = [module for module in network.modules() if not list(module.children())]
    for layer in layers:
        if not _keeps_constants(layer):
            raise ValueError(f"{layer} may not turn a constant into a constant")
    weighted = [layer for layer in layers if isinstance(layer, Weighted)]
    weights = [layer.weight.detach().clone() for layer in weighted]
    biases = [layer.bias.detach().clone() for layer in weighted if layer.bias is not None]
    for index in range(len(weighted) - 1):
        kept, dropped = _split_units(weights[index])
        # The next layer has a group of inputs for each unit: a dense one has 36 positions in it.
        following = weights[index + 1].reshape(
            len(weights[index + 1]), len(weights[index]), -1, *weights[index + 1].shape[2:]
        )
        constants = biases[index][dropped].relu()
        summed = following[:, dropped].flatten(2).sum(dim=2)
        biases[index + 1] = biases[index + 1] + summed @ constants
        weights[index + 1] = following[:, kept].flatten(1, 2)
        weights[index], biases[index] = weights[index][kept], biases[index][kept]
    smaller = dict(zip(weighted, map(_with_parameters, weighted, weights, biases), strict=True))
    return nn.Sequential(
        *(smaller[layer] if isinstance(layer, Weighted) else layer for layer in layers)
    ).eval()


def _keeps_constants(layer: nn.Module) -> bool:
    if isinstance(layer, Weighted) and layer.bias is None:
        return False
    if isinstance(layer, nn.Conv2d):
        return layer.padding == (0, 0) and layer.groups == 1
    return isinstance(layer, (nn.Linear, nn.MaxPool2d, nn.ReLU, nn.Flatten, nn.Dropout))


def _split_units(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the indices of the units to keep and of those to drop."""
    alive = weight.flatten(1).any(dim=1)
    # One unit is kept at least, because not every runtime accepts a layer without units.
    needed = max(1, int(alive.sum()))
    units = min(len(alive), -(-needed // UNITS_AT_ONCE) * UNITS_AT_ONCE)
    order = alive.int().argsort(descending=True, stable=True)
    return order[:units].sort().values, order[units:]


def _with_parameters(layer: Weighted, weight: Tensor, bias: Tensor) -> Weighted:
    copied = copy.deepcopy(layer)
    copied.weight, copied.bias = nn.Parameter(weight), nn.Parameter(bias)
    return copied
