"""The optimisers, what changes their learning rates, and the moving average of the weights."""

import copy
import math
import sys
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

from model.networks import Network
from model.networks.reference_cnn import ReferenceCNN
from model.networks.strong_cnn import StrongCNN
from model.networks.torchvision_network import TorchvisionNetwork
from model.training.config import Config
from model.training.recipes import Recipe

# Batch size for which the learning rate of Muon is given. Rates grow with the root of the batch.
MUON_BATCH_SIZE = 500
# Share of Adam's learning rate with which layers that torchvision has trained learn.
PRETRAINED_SHARE = 0.1
# Factor of Adam's learning rate where the validation loss stops falling.
PLATEAU_FACTOR = 0.5
# Learning rates and momenta of what Muon does not orthogonalise, for losses that are summed up.
BIAS_RATE, OUTPUT_RATE = 0.053, 0.67
FILTER_MOMENTUM, OTHER_MOMENTUM = 0.6, 0.85
# Coefficients of Jordan's quintic iteration, and the number of times that it is applied.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 3


def create_optimizer(network: Network, config: Config) -> torch.optim.Optimizer:
    """Return Muon for the strong network, and Adam for all others."""
    if not isinstance(network, StrongCNN):
        return _create_adam(network, config.recipe)
    batch_size, device = config.batch_size, network.output.weight.device
    blocks, parameters = network.blocks.modules(), network.parameters()
    root = (batch_size / MUON_BATCH_SIZE) ** 0.5
    filters = [part.weight for part in blocks if isinstance(part, nn.Conv2d)]
    biases = [each for each in parameters if each.ndim == 1 and each.requires_grad]
    groups: list[dict[str, Any]] = [
        {
            "params": chosen,
            "lr": torch.tensor(rate, device=device),
            "momentum": FILTER_MOMENTUM if chosen is filters else OTHER_MOMENTUM,
            "weight_decay": 0.0 if chosen is filters else config.recipe.weight_decay,
            "orthogonalise": chosen is filters,
        }
        for chosen, rate in (
            (filters, config.recipe.learning_rate * root),
            (biases, BIAS_RATE * batch_size),
            ([network.output.weight], OUTPUT_RATE * batch_size),
        )
    ]
    return Muon(groups, torch.bfloat16 if config.precision == "bf16" else torch.float32)


def _create_adam(network: ReferenceCNN | TorchvisionNetwork, recipe: Recipe) -> torch.optim.Adam:
    """Return Adam over the weights of the network, of which biases never decay."""
    device = network.output.weight.device
    by_settings: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, value in network.named_parameters():
        rate = recipe.learning_rate * (PRETRAINED_SHARE if name.startswith("body") else 1)
        is_decayed = value.ndim > 1 and (name.startswith("dense") or not recipe.is_original)
        by_settings[rate, recipe.weight_decay * is_decayed].append(value)
    groups = [
        # A captured step reads a tensor, but never again a number.
        {"params": values, "lr": torch.tensor(rate, device=device), "weight_decay": decay}
        for (rate, decay), values in sorted(by_settings.items(), reverse=True)
    ]
    optimizer = torch.optim.Adam(
        groups,
        # Keras' default, and PyTorch's.
        eps=1e-7 if recipe.is_original else 1e-8,
        decoupled_weight_decay=not recipe.is_original,
        fused=True,
        capturable=device.type == "cuda",
    )

    def adapt_to_device(loaded: torch.optim.Optimizer) -> None:
        # A run may be resumed on another kind of device than it began on.
        for group in loaded.param_groups:
            group["capturable"] = device.type == "cuda"

    optimizer.register_load_state_dict_post_hook(adapt_to_device)
    return optimizer


def create_schedulers(
    optimizer: torch.optim.Optimizer, config: Config, images: int
) -> tuple[LinearLR, ReduceLROnPlateau]:
    """Return what changes the learning rates with each batch, and with each epoch.

    Those of the reference network rise evenly to their full values, over the first epoch at most,
    and then fall at plateaus; without this warm-up, the first steps are so large that many units
    never respond again. Those of others fall evenly to zero. ``images`` train in each epoch.
    """
    recipe = config.recipe
    if recipe.trains_reference_cnn:
        warm_up_steps = max(1, min(recipe.warm_up_steps, images // config.batch_size))
        per_batch = LinearLR(optimizer, 1 / warm_up_steps, total_iters=warm_up_steps)
    else:
        steps = math.ceil(images / config.batch_size) * config.epochs
        per_batch = LinearLR(optimizer, 1, 0, total_iters=steps)
    per_epoch = ReduceLROnPlateau(
        optimizer,
        factor=PLATEAU_FACTOR,
        patience=recipe.plateau_patience if recipe.trains_reference_cnn else sys.maxsize,
        threshold=recipe.plateau_threshold,
        threshold_mode="abs",
    )
    return per_batch, per_epoch


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
        """Update every parameter; there is no closure to give."""
        for group in self.param_groups:
            for weights in group["params"]:
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
    decomposition (the Newton-Schulz iteration with Jordan's coefficients, in ``dtype``).
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


class MovingAverage(nn.Module):
    """An exponential moving average of a network's weights, which forgets the first ones sooner.

    After n steps the average decays by min(``decay``, (1 + n) / (10 + n)), as TensorFlow's
    ``ExponentialMovingAverage`` with ``num_updates`` does: otherwise the untrained weights would
    dominate a short training. With a ``decay`` of 0, the average is the network as it is. PyTorch's
    ``AveragedModel`` waits for the GPU in each step, so a step with it can't be captured.

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
        (source,), averaged = self._source, self.network
        for average, value in zip(averaged.parameters(), source.parameters(), strict=True):
            average.lerp_(value, added)
        # What normalisations measure follows the network fast enough by itself.
        for measured, present in zip(averaged.buffers(), source.buffers(), strict=True):
            measured.copy_(present)
