"""The report of the training benchmark: medians, ratios, and what must be known to read them."""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median

from benchmarks.common.machine import available_cpus
from benchmarks.common.memory import METHOD
from benchmarks.common.peer_environment import pins
from benchmarks.common.report import Report, mebibytes, table, versions
from benchmarks.training.programs import GROUP, LABELS, Epoch, Run

# Validation accuracy in [0, 1] that the way is timed to.
TARGET = 0.65


class Summary:
    """The medians of all runs of one program, of which there is at least one.

    Attributes:
        epoch_seconds: of an epoch, without the first one, which warms up. TensorFlow traces its
            graph in it and oneDNN compiles its kernels.
        peak_memory: in bytes.
        training_seconds: of all epochs together.
        seconds_to_target: up to the end of the first epoch with an accuracy above the target, the
            first epoch included; infinity where half of the runs have no such epoch.
        accuracy: the last epoch's validation accuracy, in [0, 1].
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.epoch_seconds = median(
            median(epoch.seconds for epoch in run.epochs[1:] or run.epochs) for run in runs
        )
        self.peak_memory = median(run.peak_memory for run in runs)
        self.training_seconds = median(sum(epoch.seconds for epoch in run.epochs) for run in runs)
        self.seconds_to_target = median(_seconds_to_target(run.epochs) for run in runs)
        self.accuracy = median(run.epochs[-1].validation_accuracy for run in runs)

    def ratio_to_target(self, peer: "Summary") -> str:
        """Return our way to the target divided by the peer's.

        A program that never arrives counts with its whole time, and the ratio is a limit then.
        """
        ours, theirs = self.seconds_to_target, peer.seconds_to_target
        if math.isinf(ours) and math.isinf(theirs):
            return "neither arrives"
        if math.isinf(theirs):
            return f"below {ours / peer.training_seconds:.2f}"
        if math.isinf(ours):
            return f"above {self.training_seconds / theirs:.2f}"
        return f"{ours / theirs:.2f}"


def _seconds_to_target(epochs: Sequence[Epoch]) -> float:
    for number, epoch in enumerate(epochs, start=1):
        if epoch.validation_accuracy > TARGET:
            return sum(each.seconds for each in epochs[:number])
    return math.inf


def make_report(
    options: argparse.Namespace,
    images: tuple[int, int],
    names: Sequence[str],
    runs: Mapping[str, Sequence[Run]],
    failures: Mapping[str, str],
) -> Report:
    """Return the report; ``images`` are the numbers of training and validation images."""
    summaries = {name: Summary(values) for name, values in runs.items()}
    target = f"seconds to {100 * TARGET:.0f} %"
    header = ("program", "seconds an epoch", "peak memory", target, "final validation accuracy")
    parts = [table(header, [_row(name, summaries.get(name)) for name in names])]
    ratios = [
        [
            LABELS[ours],
            LABELS[peer],
            f"{summaries[ours].epoch_seconds / summaries[peer].epoch_seconds:.2f}",
            f"{summaries[ours].peak_memory / summaries[peer].peak_memory:.2f}",
            summaries[ours].ratio_to_target(summaries[peer]),
        ]
        for ours in summaries
        for peer in summaries
        if ours.startswith("ours") and not peer.startswith("ours")
    ]
    if ratios:
        header = ("ours", "peer", "seconds an epoch", "peak memory", target)
        parts += ["Ours divided by the peer's: below 1, ours needs less.", table(header, ratios)]
    facts = {
        "data": f"folder {options.data.resolve().name}" if options.data else "CIFAR-10",
        "images": f"{images[0]:,} to train, {images[1]:,} to validate, the same for all",
        "epochs": f"{options.epochs} at batch 64",
        "rounds": f"{options.rounds}; the figures are medians",
        "threads": available_cpus(),
        "peak memory": METHOD,
        "precision": ", ".join(f"{name} {values[0].precision}" for name, values in runs.items()),
        "peers": versions(pins(GROUP)) if "keras" in runs else "in the same environment",
    }
    data = {name: [asdict(run) for run in values] for name, values in runs.items()}
    failed = {LABELS[name]: message for name, message in failures.items()}
    return Report("Training", parts, {"runs": data}, facts, failed)


def _row(name: str, summary: Summary | None) -> list[str]:
    if summary is None:
        return [LABELS[name], "failed"]
    never = f"never ({summary.training_seconds:.0f} s)"
    return [
        LABELS[name],
        f"{summary.epoch_seconds:.1f}",
        mebibytes(summary.peak_memory),
        never if math.isinf(summary.seconds_to_target) else f"{summary.seconds_to_target:.0f}",
        f"{100 * summary.accuracy:.2f} %",
    ]
