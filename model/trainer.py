"""One net in training: the step that the epochs of ``train.py`` are made of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel
from torchvision.transforms import v2

from model.augmentation import BatchedRandomAffine, BatchedRandomHorizontalFlip
from model.data import LabelledImages
from model.precision import autocast
from model.preprocessing import to_unit_range
from model.progress import progress
from model.recipes import Recipe
from model.reference_cnn import ReferenceCNN

EVALUATION_BATCH_SIZE = 1000


class Trainer:
    """One net in training: its optimiser, its augmentation, its averaged weights.

    Args:
        recipe: how to train.
        num_classes: number of outputs of the net.
        device: where to train.
        precision: ``fp32`` or ``bf16``.
    """

    def __init__(
        self, recipe: Recipe, num_classes: int, device: torch.device, precision: str
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.autocast = autocast(precision, device)
        net = ReferenceCNN(num_classes, recipe.dropout)
        self.net = net.to(device).to(memory_format=torch.channels_last)
        self.averaged_net: AveragedModel | None = None
        if recipe.average_decay:
            self.averaged_net = AveragedModel(self.net, avg_fn=moving_average(recipe.average_decay))
        self.optimizer = torch.optim.Adam(
            _parameter_groups(self.net, recipe), lr=recipe.learning_rate, fused=True
        )
        self.augment = v2.Compose(
            [
                BatchedRandomHorizontalFlip(),
                BatchedRandomAffine(recipe.rotation_degrees, recipe.translate, recipe.rotated),
            ]
        )

    @property
    def learning_rate(self) -> float:
        """The one of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def train_epoch(
        self, images: LabelledImages, batch_size: int, description: str
    ) -> tuple[float, float]:
        """Take one pass over ``images`` in random order.

        Returns:
            Mean loss (nats) and accuracy in [0, 1], both as met on the way: on augmented images,
            with dropout, by weights that were still changing.
        """
        self.net.train()
        loss_sum = torch.zeros((), device=self.device)
        correct = torch.zeros((), device=self.device)
        order = torch.randperm(len(images))
        for indices in progress(order.split(batch_size), description, unit="steps"):
            batch = images.subset(indices.to(self.device))
            loss, logits = self._step(batch)
            loss_sum += loss * len(batch)
            correct += (logits.argmax(dim=1) == batch.labels).sum()
        return loss_sum.item() / len(images), correct.item() / len(images)

    def _step(self, batch: LabelledImages) -> tuple[Tensor, Tensor]:
        inputs = self.augment(to_unit_range(batch.pixels))
        with self.autocast():
            logits = self.net(inputs.contiguous(memory_format=torch.channels_last))
        # Keras' categorical cross-entropy on one-hot targets is Σ -target·log softmax(logits);
        # with a single 1 in the target only the true class remains, which cross_entropy picks by
        # index, without ever building the one-hot matrix.
        loss = cross_entropy(
            logits.float(), batch.labels, label_smoothing=self.recipe.label_smoothing
        )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.averaged_net:
            self.averaged_net.update_parameters(self.net)
        return loss.detach(), logits.detach()

    @torch.inference_mode()
    def validate(self, images: LabelledImages) -> tuple[float, float]:
        """Return mean loss (nats) and accuracy in [0, 1] of the averaged net in float32."""
        net = self.averaged_net or self.net
        net.eval()
        loss_sum, correct = 0.0, 0
        for indices in torch.arange(len(images)).split(EVALUATION_BATCH_SIZE):
            batch = images.subset(indices.to(self.device))
            logits = net(to_unit_range(batch.pixels))
            loss_sum += cross_entropy(logits, batch.labels, reduction="sum").item()
            correct += int((logits.argmax(dim=1) == batch.labels).sum())
        return loss_sum / len(images), correct / len(images)

    def save_weights(self, file: Path) -> None:
        """Write the weights that were validated, in float32 on the CPU."""
        net = self.averaged_net.module if self.averaged_net else self.net
        weights = {name: value.cpu().contiguous() for name, value in net.state_dict().items()}
        torch.save(weights, file)


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Return an exponential moving average that forgets its first values sooner.

    After n steps it decays by (1 + n) / (10 + n), but by no more than ``decay``: an average that
    clung to the untrained weights would be of no use in a short training. The formula is that of
    TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``.

    Args:
        decay: share in [0, 1) of the old average that remains, in the long run.

    Returns:
        The ``avg_fn`` of ``AveragedModel``: from averaged value, new value and number of steps
        to the next averaged value.
    """

    def average(averaged: Tensor, value: Tensor, steps: Tensor | int) -> Tensor:
        taken = torch.as_tensor(steps)
        remaining = ((1 + taken) / (10 + taken)).clamp(max=decay)
        return averaged.lerp(value, (1 - remaining).to(averaged.dtype))

    return average


def _parameter_groups(net: ReferenceCNN, recipe: Recipe) -> list[dict[str, Any]]:
    """Say which weights are decayed: biases never are."""
    decayed = [
        module.weight
        for module in net.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        and (module is net.dense or not recipe.decay_dense_only)
    ]
    chosen = {id(parameter) for parameter in decayed}
    others = [parameter for parameter in net.parameters() if id(parameter) not in chosen]
    return [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others}]
