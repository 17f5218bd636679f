"""Tell what more pictures would bring: train on all, on half and on a quarter of the pictures.

    python -m model.learning_curve DIR                     three runs of train.py --data DIR
    python -m model.learning_curve DIR --from-scratch      the same with any options of train.py

All three are tested with the same images. The folder runs/learning-curve-<date>/ then holds the
runs and the figure ``learning_curve.png``.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from model import PROJECT
from model.command_line import CommandError, OneLineParser, command, format_percentage
from model.evaluation.scores import wilson_interval
from model.inference.card import ModelCard
from model.training.config import Config
from model.training.options import parse_config

# Parts of the training images by the name of the run; the first run tells how many all are.
PARTS = {"all": 1, "half": 2, "quarter": 4}
# Number of outcomes that are drawn to tell how uncertain an expectation is.
DRAWS = 10_000


@command("model.learning_curve")
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = OneLineParser("python -m model.learning_curve", __doc__)
    parser.add_argument("data", type=Path, metavar="DIR", help="folder-per-class tree")
    text = "options of train.py"
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="...", help=text)
    given = parser.parse_args(arguments)
    train_arguments = ["--data", str(given.data), *given.options]
    config, _ = parse_config(train_arguments)
    if config.no_test:
        parser.error("leave out --no-test")
    directory = config.runs / f"learning-curve-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    try:
        right, tested = train_on_parts(train_arguments, directory)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)  # train.py has said why
    print(f"\n{write_curve(directory / 'learning_curve.png', right, tested)}")
    return 0


def train_on_parts(arguments: Sequence[str], directory: Path) -> tuple[dict[int, int], int]:
    """Run ``train.py`` with these arguments on every part, which makes the runs in ``directory``.

    Returns:
        The test images that were right by the number of training images, and the number of all.

    Raises:
        CalledProcessError: A training failed.
        CommandError: The runs can't be compared.
    """
    train = [sys.executable, str(PROJECT / "train.py"), *arguments, "--runs", str(directory)]
    right: dict[int, int] = {}
    more: list[str] = []
    for name, part in PARTS.items():
        if right:
            # The number of images must not change the recipe.
            recipe = Config.load(directory / "all").recipe.name
            more = ["--recipe", recipe, "--limit", str(max(right) // part)]
        subprocess.run([*train, "--name", name, *more], check=True)
        card = ModelCard.load(directory / name)
        right[card.training_images] = round((card.test_accuracy or 0) * card.test_images)
        if max(right) // max(PARTS.values()) < len(card.class_names):
            raise CommandError(
                "a quarter of the training images must have every class; add pictures"
            )
    return right, card.test_images


def extrapolate(right: dict[int, int], tested: int, images: int) -> tuple[float, float, float]:
    """Return the accuracy in [0, 1] to expect with a number of training images, and its interval.

    The share of wrong answers is taken for a power of their number (Hestness et al. 2017,
    arXiv:1712.00409), fitted to the logarithms by least squares. The 95 % interval is that of draws
    from the binomial distributions of the test images; the chance of the training is not in it.
    """
    # Half a wrong answer more, as there is no logarithm of none.
    wrong = tested - np.array(list(right.values())) + 0.5
    drawn = np.random.default_rng(0).binomial(tested, wrong / (tested + 1), (DRAWS, len(wrong)))
    logarithms = np.log(np.vstack([wrong, drawn + 0.5]) / (tested + 1))
    slopes, intercepts = np.polyfit(np.log(list(right)), logarithms.T, 1)
    accuracy, *others = 1 - np.exp(slopes * np.log(images) + intercepts).clip(max=1)
    low, high = np.quantile(others, [0.025, 0.975])
    return float(accuracy), float(low), float(high)


def write_curve(file: Path, right: dict[int, int], tested: int) -> str:
    """Draw the curve, and return it as a table with what to expect of twice the images."""
    points = {size: (right[size] / tested, *wilson_interval(right[size], tested)) for size in right}
    twice = 2 * max(right)
    points[twice] = extrapolate(right, tested, twice)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    lines = [f"{'training images':>15} {'right':>8}   95 % interval, {tested:,} test images"]
    for size, (accuracy, low, high) in sorted(points.items()):
        ends = np.array([[accuracy - low], [high - accuracy]]).clip(min=0)
        axes.errorbar(size, accuracy, ends, fmt="sk" if size in right else "ok", mfc="w", capsize=4)
        shown = list(map(format_percentage, (accuracy, low, high)))
        lines.append(f"{size:>15,} {shown[0]:>8}   {shown[1]} to {shown[2]}")
    lines[-1] += ", expected"
    axes.set(xscale="log", xlabel="training images", ylabel="accuracy: share of images")
    axes.set(title=f"Learning curve, measured on {tested:,} test images")
    labels = [f"{size:,}" + "\nexpected" * (size == twice) for size in points]
    axes.set_xticks(list(points), labels)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=150)
    return (
        "\n".join(lines) + f"\n\nWith twice the pictures, expect about {shown[0]}, if the share of "
        "wrong answers goes on as a power of their number.\nThe interval has the chance of the "
        f"test images, not that of the training, which ran once for each size. The figure: {file}"
    )


if __name__ == "__main__":
    sys.exit(main())
