"""The optimiser, what changes its learning rate, and the moving average of the weights."""

import copy
import math
import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

from model.networks import Network
from model.networks.reference_cnn import ReferenceCNN
from model.training.config import Config
from model.training.muon import Muon
from model.training.recipes import Recipe

# Batch size for which the learning rate of Muon is given. Rates grow with the root of the batch.
MUON_BATCH_SIZE = 500
# Learning rates and momenta of what Muon does not orthogonalise, for losses that are summed up.
BIAS_RATE, OUTPUT_RATE = 0.053, 0.67
FILTER_MOMENTUM, OTHER_MOMENTUM = 0.6, 0.85


def create_optimizer(network: Network, config: Config) -> torch.optim.Optimizer:
    """Return Adam for the reference network, and Muon for the other one."""
    if isinstance(network, ReferenceCNN):
        return _create_adam(network, config.recipe)
    recipe, batch_size = config.recipe, config.batch_size
    blocks = network.blocks.modules()
    filters = [part.weight for part in blocks if isinstance(part, nn.Conv2d)]
    others = [value for value in network.parameters() if value.requires_grad]
    biases = [value for value in others if value.ndim == 1]
    root = (batch_size / MUON_BATCH_SIZE) ** 0.5
    rates = recipe.learning_rate * root, BIAS_RATE * batch_size, OUTPUT_RATE * batch_size
    device = network.output.weight.device
    groups: list[dict[str, Any]] = [
        {
            "params": parameters,
            "lr": torch.tensor(rate, device=device),
            "momentum": FILTER_MOMENTUM if parameters is filters else OTHER_MOMENTUM,
            "weight_decay": 0.0 if parameters is filters else recipe.weight_decay,
            "orthogonalise": parameters is filters,
        }
        for parameters, rate in zip((filters, biases, [network.output.weight]), rates, strict=True)
    ]
    return Muon(groups, torch.bfloat16 if config.precision == "bf16" else torch.float32)


def _create_adam(network: ReferenceCNN, recipe: Recipe) -> torch.optim.Adam:
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
    optimizer: torch.optim.Optimizer, config: Config, images: int
) -> tuple[LinearLR, ReduceLROnPlateau]:
    """Return what changes the learning rates with each batch, and with each epoch.

    They rise evenly to their full values, over the first epoch at most, and then fall at plateaus;
    without this warm-up, the first steps are so large that many units never respond again. Or they
    fall evenly to zero, and plateaus change nothing.

    Args:
        optimizer: The optimiser.
        config: The recipe, the batch size and the number of epochs.
        images: Number of training images.
    """
    recipe = config.recipe
    if recipe.linear_decay:
        steps = math.ceil(images / config.batch_size) * config.epochs
        per_batch = LinearLR(optimizer, 1, 0, total_iters=steps)
    else:
        warm_up_steps = max(1, min(recipe.warm_up_steps, images // config.batch_size))
        per_batch = LinearLR(optimizer, 1 / warm_up_steps, total_iters=warm_up_steps)
    per_epoch = ReduceLROnPlateau(
        optimizer,
        factor=recipe.plateau_factor,
        patience=sys.maxsize if recipe.linear_decay else recipe.plateau_patience,
        threshold=recipe.plateau_threshold,
        threshold_mode="abs",
    )
    return per_batch, per_epoch


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
        # What normalisations measure follows the network fast enough by itself.
        for measured, present in zip(
            self.network.buffers(), self._source[0].buffers(), strict=True
        ):
            measured.copy_(present)
