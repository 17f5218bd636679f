"""What was measured, and what it comes to: medians, the way to a target, ratios."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """One epoch, training and validation.

    Attributes:
        epoch: counted from 1.
        seconds: from the first step to the end of the validation.
        validation_accuracy: in [0, 1].
    """

    epoch: int
    seconds: float
    validation_accuracy: float


@dataclass(frozen=True)
class Run:
    """One training from start to end.

    Attributes:
        epochs: at least one.
        peak_memory: of the whole process tree, in bytes.
        command_seconds: from the start of the command to its end: imports, data and report too.
        facts: what the program said of itself: threads, versions, precision.
    """

    epochs: tuple[Epoch, ...]
    peak_memory: int
    command_seconds: float
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """The medians of some runs of the same program.

    Attributes:
        epoch_seconds: of an epoch, see :func:`typical_epoch_seconds`.
        peak_memory: in bytes.
        seconds_to_target: until the target was passed; None where it was not in half of the runs.
        training_seconds: of all epochs together.
        validation_accuracy: after the last epoch, in [0, 1].
        command_seconds: of the whole command.
    """

    epoch_seconds: float
    peak_memory: float
    seconds_to_target: float | None
    training_seconds: float
    validation_accuracy: float
    command_seconds: float


@dataclass(frozen=True)
class Ratio:
    """One program's figure divided by another's.

    Attributes:
        value: above 0.
        bound: ``below`` or ``above`` where only a limit is known, else empty.
    """

    value: float
    bound: str = ""

    def __str__(self) -> str:
        return f"{self.bound} {self.value:.2f}".lstrip()


def typical_epoch_seconds(epochs: Sequence[Epoch]) -> float:
    """Return the median of the epochs without the first, which warms up; of a single one, itself.

    TensorFlow traces its graph in the first epoch and oneDNN compiles its kernels: seconds that
    say nothing of the next epochs. They do count for the way to a target.
    """
    return median(epoch.seconds for epoch in epochs[1:] or epochs)


def seconds_to_target(epochs: Sequence[Epoch], target: float) -> float | None:
    """Return the seconds of all epochs up to the first whose accuracy is above ``target``.

    Args:
        epochs: in their order.
        target: accuracy in [0, 1].

    Returns:
        The seconds, the first epoch's and the passing epoch's included; None if none passes.
    """
    elapsed = 0.0
    for epoch in epochs:
        elapsed += epoch.seconds
        if epoch.validation_accuracy > target:
            return elapsed
    return None


def summarise(runs: Sequence[Run], target: float) -> Summary:
    """Return the medians over ``runs``, of which there is at least one."""
    reached = [seconds_to_target(run.epochs, target) for run in runs]
    # A run that never arrives takes longer than any that does.
    to_target = median(math.inf if seconds is None else seconds for seconds in reached)
    return Summary(
        epoch_seconds=median(typical_epoch_seconds(run.epochs) for run in runs),
        peak_memory=median(run.peak_memory for run in runs),
        seconds_to_target=None if math.isinf(to_target) else to_target,
        training_seconds=median(sum(epoch.seconds for epoch in run.epochs) for run in runs),
        validation_accuracy=median(run.epochs[-1].validation_accuracy for run in runs),
        command_seconds=median(run.command_seconds for run in runs),
    )


def target_ratio(ours: Summary, peer: Summary) -> Ratio | None:
    """Compare the ways to the target; a program that never arrived counts with its whole time.

    Returns:
        Ours divided by the peer's: a limit where one of them never arrived, None where both.
    """
    if ours.seconds_to_target is None and peer.seconds_to_target is None:
        return None
    if peer.seconds_to_target is None and ours.seconds_to_target is not None:
        return Ratio(ours.seconds_to_target / peer.training_seconds, "below")
    if ours.seconds_to_target is None and peer.seconds_to_target is not None:
        return Ratio(ours.training_seconds / peer.seconds_to_target, "above")
    return Ratio((ours.seconds_to_target or 0) / (peer.seconds_to_target or math.inf))


def compare(ours: Summary, peer: Summary) -> dict[str, Ratio | None]:
    """Return our figures divided by the peer's: below 1, we need less."""
    return {
        "epoch_seconds": Ratio(ours.epoch_seconds / peer.epoch_seconds),
        "peak_memory": Ratio(ours.peak_memory / peer.peak_memory),
        "seconds_to_target": target_ratio(ours, peer),
    }
