"""Leave out what a trained net computes in vain, so that it is served faster.

Weight decay draws all weights of some units to zero; what such a unit gives is a constant, which
can be added to the biases of the next layer once and for all. In the shipped net these are half of
the second convolution's 64 filters and two thirds of the 128 dense units.
"""

import copy

import torch
from torch import Tensor, nn

# Processors compute as many at once; to leave out fewer would save nothing.
UNITS_AT_ONCE = 16

Weighted = nn.Conv2d | nn.Linear


@torch.no_grad()
def without_dead_units(net: nn.Module) -> nn.Sequential:
    """Build a net that computes the same with fewer units.

    Args:
        net: a chain of layers, registered in the order in which they compute: unpadded
            convolutions and dense layers, with what hands a constant on between them.

    Returns:
        A net of its own, with as many outputs.

    Raises:
        ValueError: the net holds other layers.
    """
    layers = [module for module in net.modules() if not list(module.children())]
    for layer in layers:
        if not _hands_constants_on(layer):
            raise ValueError(f"{layer} may make something else than a constant of a constant")
    weighted = [layer for layer in layers if isinstance(layer, Weighted)]
    weights = [layer.weight.detach().clone() for layer in weighted]
    biases = [_bias(layer) for layer in weighted]
    for index in range(len(weighted) - 1):
        kept, dropped = _sort_out(weights[index])
        # Inputs of the next layer are in groups, one for each unit: 36 positions for a dense one.
        following = weights[index + 1].reshape(
            len(weights[index + 1]), len(weights[index]), -1, *weights[index + 1].shape[2:]
        )
        constants = biases[index][dropped].relu()
        summed = following[:, dropped].flatten(2).sum(dim=2)
        biases[index + 1] = biases[index + 1] + summed @ constants
        weights[index + 1] = following[:, kept].flatten(1, 2)
        weights[index], biases[index] = weights[index][kept], biases[index][kept]
    smaller = dict(zip(weighted, map(_smaller, weighted, weights, biases), strict=True))
    return nn.Sequential(
        *(smaller[layer] if isinstance(layer, Weighted) else layer for layer in layers)
    ).eval()


def _hands_constants_on(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.padding == (0, 0) and layer.groups == 1
    return isinstance(layer, (nn.Linear, nn.MaxPool2d, nn.ReLU, nn.Flatten, nn.Dropout))


def _bias(layer: Weighted) -> Tensor:
    return torch.zeros(len(layer.weight)) if layer.bias is None else layer.bias.detach().clone()


def _sort_out(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the indices of the units to keep, and of those that give a constant."""
    alive = weight.flatten(1).any(dim=1)
    # At least one, as not every runtime computes with a layer of none.
    needed = max(1, int(alive.sum()))
    units = min(len(alive), -(-needed // UNITS_AT_ONCE) * UNITS_AT_ONCE)
    order = alive.int().argsort(descending=True, stable=True)
    return order[:units].sort().values, order[units:]


def _smaller(layer: Weighted, weight: Tensor, bias: Tensor) -> Weighted:
    smaller = copy.deepcopy(layer)
    smaller.weight, smaller.bias = nn.Parameter(weight), nn.Parameter(bias)
    return smaller
