"""Measure how often models are right on noisy, blurred, faded and compressed test images.

Twelve common corruptions (Hendrycks and Dietterich 2019, arXiv:1903.12261) change the pixels of the
test images at five severities each. The report says how often each model is right, and how far its
confidence is from that (the expected calibration error, ECE), without and with them.

  python -m benchmarks.robustness                               the shipped models on CIFAR-10
  python -m benchmarks.robustness --data DIR --limit 10000      more images of a folder tree
  python -m benchmarks.robustness --data DIR --models A.mar runs/B
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.common.command import Command, option
from benchmarks.common.report import Report, table
from benchmarks.common.server import ARCHIVES
from benchmarks.robustness.corruptions import NAMES, SEVERITIES, corrupt
from model.command_line import format_percentage, progress, visible
from model.data.dataset import LabelledImages
from model.data.folders import describe_source
from model.data.splits import stratified_order
from model.evaluate import load_classifier
from model.evaluation.calibration import ERROR, measure_calibration
from model.evaluation.images import load_images
from model.evaluation.scores import BATCH_SIZE
from model.inference.classifier import Classifier

# What was measured of one corruption at one severity; 0 stands for the images as they are.
Measurement = dict[str, Any]
CLEAN = "none"
OPTIONS = (
    option(
        "--data", "folder-per-class tree (default: CIFAR-10, downloaded)", type=Path, metavar="DIR"
    ),
    option(
        "--skip-unreadable",
        "leave out files that can't be read as pictures instead of stopping",
        action="store_true",
    ),
    option("--limit", "number of test images, of every class in proportion", 2000),
    option(
        "--models",
        "models to show side by side (default: the shipped ones)",
        list(ARCHIVES.values()),
        nargs="+",
        type=Path,
        metavar="ARCHIVE_OR_RUN",
    ),
)


def measure(options: argparse.Namespace) -> Report:
    """Ask every model about all images, as they are and corrupted; ``CommandError`` if it can't."""
    models = [(source.name, load_classifier(source)) for source in options.models]
    results, facts = [], {"data": describe_source(options.data)}
    for source, model in models:
        images, description = load_images(
            options.data, options.models[0], model.card, skip_unreadable=options.skip_unreadable
        )
        chosen = images.subset(stratified_order(images.labels)[: options.limit])
        name = visible(f"{source} {model.card.version}".rstrip())
        results.append((name, measure_model(name, model, chosen)))
        facts[name] = f"{len(chosen):,} of {len(images):,} {description}, in {model.precision}"
    data = {"results": [{"model": name, "measured": measured} for name, measured in results]}
    return Report("Robustness", describe(results), data, facts, {})


def measure_model(name: str, model: Classifier, images: LabelledImages) -> list[Measurement]:
    """Measure a model on ``images``, whose labels are its classes."""
    pixels = images.pixels.permute(0, 2, 3, 1).numpy()
    labels = images.labels.numpy()
    conditions = [(CLEAN, 0), *((name, severity) for name in NAMES for severity in SEVERITIES)]
    measured = []
    for corruption, severity in progress(conditions, name, "corruptions"):
        seen = corrupt(pixels, corruption, severity) if severity else pixels
        parts = np.split(seen, range(BATCH_SIZE, len(seen), BATCH_SIZE))
        answers = np.concatenate([model.compute(part)[0] for part in parts]).astype(np.float64)
        measured.append(
            {
                "corruption": corruption,
                "severity": severity,
                "accuracy": float((answers.argmax(axis=1) == labels).mean()),
                ERROR: measure_calibration(answers, labels)[ERROR],
            }
        )
    return measured


def describe(results: Sequence[tuple[str, Sequence[Measurement]]]) -> list[str]:
    """Return tables of the means over the severities and of those over the corruptions."""
    header = [cell for name, _ in results for cell in (f"{name} right", "ECE")]

    def row(title: str, key: str, *values: object) -> list[str]:
        chosen = ([one for one in each if one[key] in values] for _, each in results)
        return [title, *(cell for measured in chosen for cell in means(measured))]

    by_corruption = [row(name, "corruption", name) for name in (CLEAN, *NAMES)]
    by_corruption.append(row("mean of the corruptions", "corruption", *NAMES))
    by_severity = [row(str(severity), "severity", severity) for severity in SEVERITIES]
    return [
        table(["corruption", *header], by_corruption),
        table(["severity", *header], by_severity),
    ]


def means(measured: Sequence[Measurement]) -> list[str]:
    """Return the mean accuracy and the mean expected calibration error."""
    return [format_percentage(fmean(one[key] for one in measured)) for key in ("accuracy", ERROR)]


COMMAND = Command("robustness", __doc__, OPTIONS, measure, needs_quiet=False)

if __name__ == "__main__":
    COMMAND.main()
