"""Find out what to do with a picture that is not square: resize it, or crop its centre?

Makes non-square pictures out of square training images whose class is known, turns each square
both ways, and asks the shipped model which way it is right more often. No test image is used. What
came out decided `model/preprocessing.py`; benchmarks/results/non-square-<date>.md keeps it.
"""

import argparse
import math
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import output
from benchmarks.machine import commit, describe_software
from benchmarks.programs import PROJECT
from model.classifier import Classifier
from model.options import OneLineParser, at_least_one
from model.preprocessing import prepare
from model.progress import progress

BATCH_SIZE = 250
# Of a normal distribution, for an interval of 95 %.
STANDARD_ERRORS = 1.96
EPILOG = """\
examples:
  python -m benchmarks.non_square --data DIR                 5,000 images of DIR/train
  python -m benchmarks.non_square --data DIR --images 200 --output /tmp/trial.md
"""

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
RATIOS = ((4, 3), (3, 2), (16, 9))


@dataclass(frozen=True)
class Kind:
    """One way to make a non-square picture out of a square one.

    Attributes:
        name: what a reader of the result sees.
        group: the kinds that are averaged.
        make: takes and returns uint8 ``(H, W, 3)``.
    """

    name: str
    group: str
    make: Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Comparison:
    """How often each way was right, in [0, 1], and resize's lead over the crop.

    Attributes:
        interval: half the width of the 95 % interval of the lead, from the same images both ways.
    """

    name: str
    resize: float
    centre_crop: float
    lead: float
    interval: float


def cut(long: int, short: int, *, portrait: bool) -> Callable[[Pixels], Pixels]:
    """Cut a square to a ratio: the object fills the frame, and the crop must cut once more."""

    def make(pixels: Pixels) -> Pixels:
        side = len(pixels)
        kept = round(side * short / long)
        start = (side - kept) // 2
        return pixels[:, start : start + kept] if portrait else pixels[start : start + kept]

    return make


def extend(long: int, short: int, *, portrait: bool, centred: bool) -> Callable[[Pixels], Pixels]:
    """Mirror a square's surroundings until it has a ratio: the object has room beside it."""

    def make(pixels: Pixels) -> Pixels:
        added = round(len(pixels) * long / short) - len(pixels)
        before = added // 2 if centred else 0
        padding = (before, added - before)
        widths = (padding, (0, 0), (0, 0)) if portrait else ((0, 0), padding, (0, 0))
        return np.pad(pixels, widths, mode="symmetric")

    return make


def kinds() -> list[Kind]:
    """Return every way, in the order of the table."""
    found = []
    for long, short in RATIOS:
        for portrait in (True, False):
            ratio = f"{short}:{long}" if portrait else f"{long}:{short}"
            found += [
                Kind(f"cut to {ratio}", "fills the frame", cut(long, short, portrait=portrait)),
                Kind(
                    f"extended to {ratio}, in the centre",
                    "surroundings, in the centre",
                    extend(long, short, portrait=portrait, centred=True),
                ),
                Kind(
                    f"extended to {ratio}, at the edge",
                    "surroundings, at the edge",
                    extend(long, short, portrait=portrait, centred=False),
                ),
            ]
    return sorted(found, key=lambda kind: kind.group)


def draw(root: Path, count: int, seed: int) -> list[Path]:
    """Choose ``count`` files of ``root/<class>/*`` at random, or all where there are fewer.

    Raises:
        ValueError: there are none.
    """
    files = sorted(root.glob("[!.]*/[!.]*"))
    if not files:
        raise ValueError(f"there is no {root}/<class>/<image>")
    return random.Random(seed).sample(files, min(count, len(files)))  # noqa: S311 - no secret


def resize(pixels: Pixels, side: int) -> Pixels:
    """Squash a picture into a square, uint8 ``(side, side, 3)``."""
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def centre_crop(pixels: Pixels, side: int) -> Pixels:
    """Take the largest square in the centre, uint8 ``(side, side, 3)``."""
    height, width, _ = pixels.shape
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return resize(pixels[top : top + short, left : left + short], side)


def hits(classifier: Classifier, pictures: Sequence[Pixels], labels: torch.Tensor) -> torch.Tensor:
    """Return float ``(N,)``: 1 where the model is right, 0 where it is wrong."""
    found = []
    for start in range(0, len(pictures), BATCH_SIZE):
        batch = torch.from_numpy(np.stack(pictures[start : start + BATCH_SIZE]))
        probabilities = classifier.probabilities(batch.permute(0, 3, 1, 2).contiguous())
        found.append(probabilities.argmax(1) == labels[start : start + BATCH_SIZE])
    return torch.cat(found).double()


def compare(name: str, resized: torch.Tensor, cropped: torch.Tensor) -> Comparison:
    """Compare float ``(N,)`` shares of right answers of the same N images."""
    leads = resized - cropped
    error = leads.std().item() / math.sqrt(len(leads))
    return Comparison(
        name,
        resized.mean().item(),
        cropped.mean().item(),
        leads.mean().item(),
        STANDARD_ERRORS * error,
    )


def measure(
    classifier: Classifier, files: Sequence[Path]
) -> tuple[float, list[Comparison], list[Comparison]]:
    """Compare the two ways on files whose folders are named as their classes.

    Returns:
        The accuracy on the square images, and the comparisons by kind and by group.
    """
    side = classifier.card.image_size
    labels = torch.tensor([classifier.card.class_names.index(file.parent.name) for file in files])
    squares = [prepare(file.read_bytes(), side).pixels for file in files]
    by_kind = []
    shares: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    for kind in progress(kinds(), "Comparing", unit="kinds"):
        made = [kind.make(square) for square in squares]
        resized = hits(classifier, [resize(pixels, side) for pixels in made], labels)
        cropped = hits(classifier, [centre_crop(pixels, side) for pixels in made], labels)
        by_kind.append(compare(kind.name, resized, cropped))
        shares.setdefault(kind.group, []).append((resized, cropped))
    by_group = [
        compare(group, *(torch.stack(way).mean(0) for way in zip(*pairs, strict=True)))
        for group, pairs in shares.items()
    ]
    every = [pair for pairs in shares.values() for pair in pairs]
    by_group.append(
        compare("all of them", *(torch.stack(way).mean(0) for way in zip(*every, strict=True)))
    )
    return hits(classifier, squares, labels).mean().item(), by_kind, by_group


def to_markdown(
    facts: dict[str, str], by_kind: list[Comparison], by_group: list[Comparison]
) -> str:
    """Return the tables and what must be known to read them."""
    lines = ["# Non-square pictures: resize or crop?", ""]
    for title, rows in (("on average", by_group), ("picture", by_kind)):
        lines += [f"| {title} | resize | centre crop | lead of resize |", "|---|---|---|---|"]
        lines += [
            f"| {row.name} | {100 * row.resize:.2f} % | {100 * row.centre_crop:.2f} % | "
            f"{100 * row.lead:+.2f} ± {100 * row.interval:.2f} points |"
            for row in rows
        ]
        lines.append("")
    lines += [
        "Cut: the object fills the frame, so that a crop cuts it once more. Extended: what is",
        "beside the object is mirrored on both sides, or on one: then the object is at the edge.",
        "Interval: 95 %, of the difference on the same images. The model was trained on these very",
        "images, so its accuracies are too high; what counts is their difference.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
    ]
    return "\n".join(lines) + "\n"


def create_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser(
        prog="python -m benchmarks.non_square",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with train/<class>/<image>, as train.py takes it; the images are square",
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=PROJECT / "model_store" / "cifar10.mar",
        metavar="ARCHIVE_OR_RUN",
        help="what answers (default: model_store/cifar10.mar)",
    )
    parser.add_argument(
        "--images",
        type=at_least_one,
        default=5000,
        metavar="N",
        help="drawn at random (default: 5000)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    output.add_output_option(parser, "non-square", "the same figures")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = create_parser()
    options = parser.parse_args(arguments)
    output.check_output(options, parser, "non-square")
    try:
        classifier = Classifier.load(options.model)
        files = draw(options.data / "train", options.images, options.seed)
        square, by_kind, by_group = measure(classifier, files)
        facts = {
            "images": f"{len(files):,} of the training split, seed {options.seed}",
            "model": f"{classifier.card.name} {classifier.card.version}, right on "
            f"{100 * square:.2f} % of these images as they are",
            "date": datetime.now(UTC).date().isoformat(),
            "commit": commit(),
            "software": ", ".join(f"{name} {it}" for name, it in describe_software().items()),
        }
        document = {
            "facts": facts,
            "square": square,
            "groups": [asdict(row) for row in by_group],
            "kinds": [asdict(row) for row in by_kind],
        }
        output.write(to_markdown(facts, by_kind, by_group), document, options.output)
    except (OSError, KeyError, ValueError) as error:
        print(f"benchmarks.non_square: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
