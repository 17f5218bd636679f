"""The optimiser, what changes its learning rate, and the moving average of the weights."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

from model.networks.reference_cnn import ReferenceCNN
from model.training.recipes import Recipe


def create_optimizer(network: ReferenceCNN, recipe: Recipe) -> torch.optim.Adam:
    """Return Adam over the weights of the network, of which biases never decay."""
    weights = [value for value in network.parameters() if value.ndim > 1]
    decayed = [network.dense.weight] if recipe.decay_dense_only else weights
    chosen = set(map(id, decayed))
    others = [value for value in network.parameters() if id(value) not in chosen]
    device = network.dense.weight.device
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others},
    ]
    for group in groups:
        # A captured step reads a tensor, but never again a number.
        group["lr"] = torch.tensor(recipe.learning_rate, device=device)
    optimizer = torch.optim.Adam(
        groups,
        eps=recipe.epsilon,
        decoupled_weight_decay=recipe.decoupled_weight_decay,
        fused=True,
        capturable=device.type == "cuda",
    )

    def adapt_to_device(loaded: torch.optim.Optimizer) -> None:
        for group in loaded.param_groups:
            group["capturable"] = device.type == "cuda"

    # A run may be resumed on another kind of device than it began on.
    optimizer.register_load_state_dict_post_hook(adapt_to_device)
    return optimizer


def create_schedulers(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int
) -> tuple[LinearLR, ReduceLROnPlateau]:
    """Return the linear warm-up, which steps with each batch, and the plateau, with each epoch.

    The warm-up takes the first epoch at most. Without it, the first steps are so large that many
    units never respond again.
    """
    warm_up_steps = max(1, min(recipe.warm_up_steps, steps_per_epoch))
    warm_up = LinearLR(optimizer, 1 / warm_up_steps, total_iters=warm_up_steps)
    plateau = ReduceLROnPlateau(
        optimizer,
        factor=recipe.plateau_factor,
        patience=recipe.plateau_patience,
        threshold=recipe.plateau_threshold,
        threshold_mode="abs",
    )
    return warm_up, plateau


class MovingAverage(nn.Module):
    """An exponential moving average of a network's weights, which forgets the first ones sooner.

    The idea of averaging the weights of many steps is Polyak and Juditsky's (1992). After n steps
    the average decays by min(``decay``, (1 + n) / (10 + n)), as TensorFlow's
    ``ExponentialMovingAverage`` with ``num_updates`` does: otherwise the untrained weights would
    dominate a short training. PyTorch's ``AveragedModel`` waits for the GPU in each step, so a step
    with it can't be captured.

    Args:
        network: The network whose weights are averaged.
        decay: Share in [0, 1) of the old average that each step keeps in the long run; with 0, the
            average is the network as it is.

    Attributes:
        network: A copy of the network with the averaged weights.
    """

    steps: Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        # In a list, it is not a part of this module's state.
        self._source = [network]
        self._decay = decay
        device = next(network.parameters()).device
        self.register_buffer("steps", torch.zeros((), device=device))

    @torch.no_grad()
    def update(self) -> None:
        """Include the present weights of the network in the average."""
        self.steps += 1
        remaining = ((1 + self.steps) / (10 + self.steps)).clamp(max=self._decay)
        added: Tensor = 1 - remaining
        for average, value in zip(
            self.network.parameters(), self._source[0].parameters(), strict=True
        ):
            average.lerp_(value, added)
