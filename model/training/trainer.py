"""The training of one network: the steps that the epochs of ``train.py`` are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import ReduceLROnPlateau

from model.command_line import progress
from model.data.dataset import LabelledImages
from model.networks import to_unit_range
from model.networks.reference_cnn import ReferenceCNN
from model.training.augmentation import BatchedRandomAffine
from model.training.captured_step import CapturedStep
from model.training.devices import autocast
from model.training.distributed import ProcessGroup
from model.training.moving_average import MovingAverage
from model.training.recipes import Recipe

# Number of images that are validated at once.
EVALUATION_BATCH_SIZE = 250


@dataclass(frozen=True)
class EpochPlan:
    """What an epoch does with each image; it is drawn before the epoch begins.

    Attributes:
        order: int64 ``(N,)``, indices of the images.
        inverse: float ``(N, 2, 3)``, how each of them is augmented, in the same order; see
            :meth:`BatchedRandomAffine.make_params`.
        batch_size: number of images in a step.
    """

    order: Tensor
    inverse: Tensor
    batch_size: int


class Trainer:
    """Trains a network: its optimiser, learning rate, augmentation and averaged weights.

    Args:
        recipe: the settings of the training.
        num_classes: number of outputs of the network.
        device: the device to train on.
        precision: ``fp32`` or ``bf16``.
        process_group: the processes that train together; by default this one trains alone.

    Attributes:
        recipe, device, process_group: the arguments.
        network: the network, on ``device``.
        average: the moving average of its weights; None where the recipe has none.
        optimizer: Adam over the weights of ``network``.
        augment: the random transform of the training images.
        plateau: the scheduler that reduces the learning rate; it takes the validation loss.
        steps_taken: number of steps of the current epoch that are done.
    """

    def __init__(
        self,
        recipe: Recipe,
        num_classes: int,
        device: torch.device,
        precision: str,
        process_group: ProcessGroup | None = None,
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.process_group = process_group or ProcessGroup()
        self.autocast = autocast(precision, device)
        network = ReferenceCNN(num_classes, recipe.dropout)
        self._dropout = SharedDropout(recipe.dropout, self.process_group)
        network.dropout = self._dropout
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.average: MovingAverage | None = None
        if recipe.average_decay:
            self.average = MovingAverage(self.network, recipe.average_decay)
        self._distributed_network = self.process_group.average_gradients(self.network)
        self.optimizer = torch.optim.Adam(
            _parameter_groups(self.network, recipe),
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
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def plan_epoch(
        self, images: LabelledImages, batch_size: int, seed: int, epoch: int
    ) -> EpochPlan:
        """Draw the order and the augmentation of an epoch; equal arguments give equal plans."""
        with torch.random.fork_rng(devices=[]):
            # The large factor keeps the epochs of one seed from repeating those of another. Only
            # the CPU's generator is seeded: a GPU's draws the dropout of a resumed epoch.
            torch.default_generator.manual_seed(seed * 1_000_003 + epoch)
            order = torch.randperm(len(images))
            inverse = self.augment.make_params([images.pixels])["inverse"]
        return EpochPlan(order.to(self.device), inverse.to(self.device), batch_size)

    def steps(self, images: LabelledImages, plan: EpochPlan, description: str) -> Iterator[None]:
        """Take the remaining steps of an epoch, and yield after each.

        ``steps_taken`` counts the steps; :meth:`finish_epoch` ends the epoch.

        Args:
            images: the images to train on, on the device of the trainer.
            plan: what the epoch does with them.
            description: label of the progress bar.
        """
        self.network.train()
        step = partial(self._step, images)
        # A step over a whole batch is captured where one GPU trains alone.
        one_gpu = self.device.type == "cuda" and not self.process_group.is_distributed
        captured = one_gpu and len(images) >= plan.batch_size
        whole_step = CapturedStep(step) if captured else step
        starts = range(0, len(plan.order), plan.batch_size)[self.steps_taken :]
        for start in progress(starts, description, unit="steps", done=self.steps_taken):
            batch = slice(start, start + plan.batch_size)
            indices, inverse = plan.order[batch], plan.inverse[batch]
            (whole_step if len(indices) == plan.batch_size else step)(indices, inverse)
            self.steps_taken += 1
            yield

    def finish_epoch(self, images: LabelledImages) -> tuple[float, float]:
        """End the epoch over ``images``.

        Returns:
            Mean loss in nats and accuracy in [0, 1], as measured during the epoch: on augmented
            images, with dropout, and by weights that were still changing.
        """
        loss_sum, correct = self._sums().tolist()
        self.steps_taken = 0
        self._loss_sum.zero_()
        self._correct.zero_()
        return loss_sum / len(images), correct / len(images)

    @torch.inference_mode()
    def validate(self, images: LabelledImages) -> tuple[float, float]:
        """Measure the network, with averaged weights where the recipe has them, in float32.

        Args:
            images: the images to classify, at least one, on the device of the trainer.

        Returns:
            Mean loss in nats and accuracy in [0, 1].
        """
        network = self.average.network if self.average else self.network
        network.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        own = torch.arange(len(images))[self.process_group.own_part(len(images))]
        for indices in own.split(EVALUATION_BATCH_SIZE):
            batch = images.subset(indices.to(self.device))
            logits = network(to_unit_range(batch.pixels))
            sums[0] += cross_entropy(logits, batch.labels, reduction="sum")
            sums[1] += (logits.argmax(dim=1) == batch.labels).sum()
        loss_sum, correct = self.process_group.sum(sums).tolist()
        return loss_sum / len(images), correct / len(images)

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights that are validated, by name, in float32 on the CPU."""
        network = self.average.network if self.average else self.network
        return {name: value.to("cpu", copy=True) for name, value in network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on; every process must call this."""
        on_gpu = self.device.type == "cuda"
        return {
            "net": self.network.state_dict(),
            "average": self.average.network.state_dict() if self.average else None,
            "average_steps": self.average.steps if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "plateau": self.plateau.state_dict(),
            "steps_taken": self.steps_taken,
            "sums": self._sums(),
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state(self.device) if on_gpu else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to the state at which :meth:`state_dict` was called.

        Raises:
            RuntimeError, KeyError: the state is not that of such a trainer.
        """
        self.network.load_state_dict(state["net"])
        if self.average:
            self.average.network.load_state_dict(state["average"])
            self.average.steps.copy_(state["average_steps"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            # The run may have begun on another kind of device.
            group["capturable"] = self.device.type == "cuda"
        self.plateau.load_state_dict(state["plateau"])
        self.steps_taken = state["steps_taken"]
        if self.process_group.is_first:
            self._loss_sum.copy_(state["sums"][0])
            self._correct.copy_(state["sums"][1])
        torch.set_rng_state(state["random"].cpu())
        if self.device.type == "cuda" and state["random_gpu"] is not None:
            torch.cuda.set_rng_state(state["random_gpu"].cpu(), self.device)

    def _sums(self) -> Tensor:
        return self.process_group.sum(torch.stack([self._loss_sum, self._correct]).double())

    def _step(self, images: LabelledImages, indices: Tensor, inverse: Tensor) -> None:
        part = self.process_group.own_part(len(indices))
        batch = images.subset(indices[part])
        inputs = self.augment.transform(to_unit_range(batch.pixels), {"inverse": inverse[part]})
        self._dropout.batch_size = len(indices)
        with self.autocast():
            logits = self._distributed_network(inputs.contiguous(memory_format=torch.channels_last))
        # Keras' categorical cross-entropy on one-hot targets is Σ -target·log softmax(logits), of
        # which only the term of the true class remains; cross_entropy picks it by index.
        smoothing = self.recipe.label_smoothing
        loss_sum = cross_entropy(
            logits.float(), batch.labels, label_smoothing=smoothing, reduction="sum"
        )
        self.optimizer.zero_grad()
        # Averaged over the processes, these are the gradients of the mean over the whole batch.
        (loss_sum * (self.process_group.size / len(indices))).backward()
        self.optimizer.step()
        if self.average:
            self.average.update()
        self._loss_sum += loss_sum.detach()
        self._correct += (logits.detach().argmax(dim=1) == batch.labels).sum()


class SharedDropout(nn.Dropout):
    """Dropout that draws its mask for the whole batch, of which each process applies its part.

    So several processes drop the activations that a single one would (dropout itself: Srivastava et
    al. 2014).

    Args:
        p: probability in [0, 1) of dropping an activation.
        process_group: the processes that share the batch.

    Attributes:
        batch_size: number of images in the whole batch; it must be set before each training step.

    Shape:
        Input and output: float ``(N, C)``.
    """

    def __init__(self, p: float, process_group: ProcessGroup) -> None:
        super().__init__(p)
        self.batch_size = 0
        self._part = process_group.own_part

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Drop a share ``p`` of the activations in training and scale up the others."""
        if not self.training or self.p == 0:
            return input
        drawn = torch.rand(self.batch_size, input.shape[1], device=input.device)
        kept = drawn[self._part(self.batch_size)] >= self.p
        return input * (kept / (1 - self.p)).to(input.dtype)


def _parameter_groups(network: ReferenceCNN, recipe: Recipe) -> list[dict[str, Any]]:
    """Group the parameters by whether they decay, which biases never do."""
    decayed = [
        module.weight
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        and (module is network.dense or not recipe.decay_dense_only)
    ]
    chosen = {id(parameter) for parameter in decayed}
    others = [parameter for parameter in network.parameters() if id(parameter) not in chosen]
    return [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others}]
