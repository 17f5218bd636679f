"""One net in training: the steps that the epochs of ``train.py`` are made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import ReduceLROnPlateau

from model.augmentation import BatchedRandomAffine
from model.captured_step import CapturedStep
from model.data import LabelledImages
from model.moving_average import MovingAverage
from model.precision import autocast
from model.preprocessing import to_unit_range
from model.processes import Processes
from model.progress import progress
from model.recipes import Recipe
from model.reference_cnn import ReferenceCNN

EVALUATION_BATCH_SIZE = 250
Step = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True)
class EpochPlan:
    """What an epoch does with each image, drawn before it begins.

    Attributes:
        order: int64 ``(N,)``, indices of the images.
        inverse: float ``(N, 2, 3)``, how each is augmented, in that order; see
            :class:`BatchedRandomAffine`.
        batch_size: images in a step.
    """

    order: Tensor
    inverse: Tensor
    batch_size: int

    @property
    def starts(self) -> range:
        """Where in the order each step starts."""
        return range(0, len(self.order), self.batch_size)


class Trainer:
    """One net in training: optimiser, learning rate, augmentation, averaged weights.

    Args:
        recipe: how to train.
        num_classes: number of outputs of the net.
        device: where to train.
        precision: ``fp32`` or ``bf16``.
        processes: who trains it together; this one alone by default.
    """

    def __init__(
        self,
        recipe: Recipe,
        num_classes: int,
        device: torch.device,
        precision: str,
        processes: Processes | None = None,
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.processes = processes or Processes()
        self.autocast = autocast(precision, device)
        net = ReferenceCNN(num_classes, recipe.dropout)
        self._dropout = SharedDropout(recipe.dropout, self.processes)
        net.dropout = self._dropout
        self.net = net.to(device).to(memory_format=torch.channels_last)
        self.average: MovingAverage | None = None
        if recipe.average_decay:
            self.average = MovingAverage(self.net, recipe.average_decay)
        self._shared_net = self.processes.share(self.net)
        self.optimizer = torch.optim.Adam(
            _parameter_groups(self.net, recipe),
            lr=recipe.learning_rate,
            fused=True,
            capturable=device.type == "cuda",
        )
        self.augment = BatchedRandomAffine(
            recipe.rotation_degrees, recipe.translate, recipe.rotated
        )
        self.plateau = ReduceLROnPlateau(
            self.optimizer,
            factor=recipe.plateau_factor,
            patience=recipe.plateau_patience,
            threshold=recipe.plateau_threshold,
        )
        self.steps_taken = 0
        self._loss_sum = torch.zeros((), device=device)
        self._correct = torch.zeros((), device=device)

    @property
    def learning_rate(self) -> float:
        """The one of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def plan_epoch(
        self, images: LabelledImages, batch_size: int, seed: int, epoch: int
    ) -> EpochPlan:
        """Draw the order and the augmentation of an epoch: the same for the same numbers."""
        with torch.random.fork_rng(devices=[]):
            # A large factor, so that no epoch of one seed repeats one of a seed nearby. The CPU's
            # generator alone: a GPU's goes on with the dropout of a resumed epoch.
            torch.default_generator.manual_seed(seed * 1_000_003 + epoch)
            order = torch.randperm(len(images))
            inverse = self.augment.make_params([images.pixels])["inverse"]
        return EpochPlan(order.to(self.device), inverse.to(self.device), batch_size)

    def steps(self, images: LabelledImages, plan: EpochPlan, description: str) -> Iterator[None]:
        """Take the steps of an epoch that are still to be taken, and pause after each.

        ``steps_taken`` counts them; :meth:`finish_epoch` ends the epoch.
        """
        self.net.train()
        whole_step = self._whole_step(images, plan.batch_size)
        starts = plan.starts[self.steps_taken :]
        for start in progress(starts, description, unit="steps", done=self.steps_taken):
            batch = slice(start, start + plan.batch_size)
            indices, inverse = plan.order[batch], plan.inverse[batch]
            if len(indices) == plan.batch_size:
                whole_step(indices, inverse)
            else:
                self._step(images, indices, inverse)
            self.steps_taken += 1
            yield

    def finish_epoch(self, images: LabelledImages) -> tuple[float, float]:
        """End the epoch over ``images``.

        Returns:
            Mean loss (nats) and accuracy in [0, 1], both as met on the way: on augmented images,
            with dropout, by weights that were still changing.
        """
        loss_sum, correct = self._sums().tolist()
        self.steps_taken = 0
        self._loss_sum.zero_()
        self._correct.zero_()
        return loss_sum / len(images), correct / len(images)

    @torch.inference_mode()
    def validate(self, images: LabelledImages) -> tuple[float, float]:
        """Return mean loss (nats) and accuracy in [0, 1] of the averaged net in float32."""
        net = self.average.net if self.average else self.net
        net.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        own = torch.arange(len(images))[self.processes.own_part(len(images))]
        for indices in own.split(EVALUATION_BATCH_SIZE):
            batch = images.subset(indices.to(self.device))
            logits = net(to_unit_range(batch.pixels))
            sums[0] += cross_entropy(logits, batch.labels, reduction="sum")
            sums[1] += (logits.argmax(dim=1) == batch.labels).sum()
        loss_sum, correct = self.processes.sum(sums).tolist()
        return loss_sum / len(images), correct / len(images)

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights that were validated, in float32 on the CPU."""
        net = self.average.net if self.average else self.net
        return {name: value.to("cpu", copy=True) for name, value in net.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on; every process must take part."""
        on_gpu = self.device.type == "cuda"
        return {
            "net": self.net.state_dict(),
            "average": self.average.net.state_dict() if self.average else None,
            "average_steps": self.average.steps if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "plateau": self.plateau.state_dict(),
            "steps_taken": self.steps_taken,
            "sums": self._sums(),
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state(self.device) if on_gpu else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where :meth:`state_dict` was called; raises ``RuntimeError``, ``KeyError``."""
        self.net.load_state_dict(state["net"])
        if self.average:
            self.average.net.load_state_dict(state["average"])
            self.average.steps.copy_(state["average_steps"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            # A run may go on on another kind of device than it began on.
            group["capturable"] = self.device.type == "cuda"
        self.plateau.load_state_dict(state["plateau"])
        self.steps_taken = state["steps_taken"]
        if self.processes.is_first:
            self._loss_sum.copy_(state["sums"][0])
            self._correct.copy_(state["sums"][1])
        torch.set_rng_state(state["random"].cpu())
        if self.device.type == "cuda" and state["random_gpu"] is not None:
            torch.cuda.set_rng_state(state["random_gpu"].cpu(), self.device)

    def _sums(self) -> Tensor:
        return self.processes.sum(torch.stack([self._loss_sum, self._correct]).double())

    def _whole_step(self, images: LabelledImages, batch_size: int) -> Step:
        """Return the step over a whole batch, captured where there is one GPU."""

        def step(indices: Tensor, inverse: Tensor) -> None:
            self._step(images, indices, inverse)

        one_gpu = self.device.type == "cuda" and not self.processes.are_several
        return CapturedStep(step) if one_gpu and len(images) >= batch_size else step

    def _step(self, images: LabelledImages, indices: Tensor, inverse: Tensor) -> None:
        part = self.processes.own_part(len(indices))
        batch = images.subset(indices[part])
        inputs = self.augment.transform(to_unit_range(batch.pixels), {"inverse": inverse[part]})
        self._dropout.batch_size = len(indices)
        with self.autocast():
            logits = self._shared_net(inputs.contiguous(memory_format=torch.channels_last))
        # Keras' categorical cross-entropy on one-hot targets is Σ -target·log softmax(logits);
        # with a single 1 in the target only the true class remains, which cross_entropy picks by
        # index, without ever building the one-hot matrix.
        loss_sum = cross_entropy(
            logits.float(),
            batch.labels,
            label_smoothing=self.recipe.label_smoothing,
            reduction="sum",
        )
        self.optimizer.zero_grad()
        # The mean over the whole batch, once the processes' gradients are averaged.
        (loss_sum * (self.processes.size / len(indices))).backward()
        self.optimizer.step()
        if self.average:
            self.average.update()
        self._loss_sum += loss_sum.detach()
        self._correct += (logits.detach().argmax(dim=1) == batch.labels).sum()


class SharedDropout(nn.Dropout):
    """Dropout whose mask is drawn for the whole batch, of which a process takes its part.

    So that several processes drop what a single one would. ``batch_size`` is the whole batch's and
    must be set before each call in training.

    Args:
        p: probability in [0, 1) of dropping an activation.
        processes: who shares the batch.

    Shape:
        Input and output: float ``(N, C)``.
    """

    def __init__(self, p: float, processes: Processes) -> None:
        super().__init__(p)
        self.batch_size = 0
        self._part = processes.own_part

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Drop a share ``p`` in training and scale the others up; else change nothing."""
        if not self.training or self.p == 0:
            return input
        drawn = torch.rand(self.batch_size, input.shape[1], device=input.device)
        kept = drawn[self._part(self.batch_size)] >= self.p
        return input * (kept / (1 - self.p)).to(input.dtype)


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
