"""Muon, an optimiser that gives every direction of a layer's update the same size."""

from typing import Any

import torch
from torch import Tensor

# Coefficients of Jordan's quintic iteration, and the number of times that it is applied.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 3


class Muon(torch.optim.Optimizer):
    """Nesterov's momentum, whose updates are orthogonalised in the groups that say so.

    Sources: "Muon: an optimizer for hidden layers in neural networks" (Jordan et al. 2024,
    https://kellerjordan.github.io/posts/muon/), and for filter banks, which also keep a Frobenius
    norm of √(number of filters), airbench94_muon (https://github.com/KellerJordan/cifar10-airbench).
    PyTorch's own ``torch.optim.Muon`` takes matrices only, and reads its rate as a number, which a
    captured step never sees change.

    Args:
        groups: Groups of parameters, each with ``lr`` (a tensor), ``momentum`` in [0, 1),
            ``weight_decay`` (a share of the weights that is added to their gradients), and
            ``orthogonalise``, whether its parameters are filter banks.
        dtype: Floating point type in which updates are orthogonalised.
    """

    def __init__(self, groups: list[dict[str, Any]], dtype: torch.dtype) -> None:
        super().__init__(groups, {})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Update every parameter that has a gradient; there is no closure to give."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                gradient = weights.grad.add(weights, alpha=group["weight_decay"])
                state = self.state[weights]
                if not state:
                    state["momentum"] = torch.zeros_like(weights)
                momentum = state["momentum"].mul_(group["momentum"]).add_(gradient)
                update = gradient.add(momentum, alpha=group["momentum"])
                if group["orthogonalise"]:
                    weights.mul_(len(weights) ** 0.5 / weights.norm())
                    update = orthogonalise(update.flatten(1), self._dtype).view_as(weights)
                weights.sub_(update * group["lr"])


def orthogonalise(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a matrix of the same singular vectors whose singular values are all about 1.

    The values end up between about 0.5 and 1.5, which serves as well as 1 and needs no
    decomposition (the Newton-Schulz iteration with Jordan's coefficients).

    Args:
        matrix: Float ``(M, N)``.
        dtype: Floating point type that it is computed in.

    Returns:
        ``dtype`` ``(M, N)``.
    """
    linear, cubic, quintic = COEFFICIENTS
    values = matrix.to(dtype)
    values = values / (values.norm() + 1e-7)
    is_tall = values.shape[0] > values.shape[1]
    values = values.T if is_tall else values
    for _ in range(ITERATIONS):
        products = values @ values.T
        polynomial = torch.addmm(products, products, products, beta=cubic, alpha=quintic)
        values = torch.addmm(values, polynomial, values, beta=linear)
    return values.T if is_tall else values
