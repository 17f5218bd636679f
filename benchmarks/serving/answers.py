"""Checks that all servers give the same answers, before they are loaded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import ImageOps

from benchmarks.common.pictures import encode, large_picture, ship, small_picture
from benchmarks.common.programs import ProgramError
from benchmarks.common.server import Server, ask
from model.inference.classifier import Classifier


class Picture(NamedTuple):
    """A file to send, its name in the tables, and how far off a probability may be.

    A JPEG may be decoded at a reduced scale, which changes the pixels a little.
    """

    label: str
    data: bytes
    tolerance: float = 0.01


PICTURES: dict[str, Callable[[], Picture]] = {
    "png": lambda: Picture("32×32 PNG", small_picture()),
    "jpeg": lambda: Picture("12-megapixel JPEG", large_picture(), tolerance=0.05),
}


def questions() -> list[Picture]:
    """Return PNGs with different answers, to compare what servers answer."""
    small = ship().resize((32, 32))
    corner = small.crop((0, 0, 16, 16)).resize((32, 32))
    images = (small, ImageOps.flip(small), ImageOps.invert(small), corner)
    return [Picture("32×32 PNG", encode(image)) for image in images]


def largest_difference(server: Server, pictures: Sequence[Picture], network: Classifier) -> float:
    """Return how far the server's probabilities are off at most; ``ProgramError`` if too far."""
    largest = 0.0
    for picture in pictures:
        answer = ask(server.request(picture.data))
        expected = network.classify(picture.data)
        difference = compare_answers(answer, expected)
        largest = max(largest, difference)
        if difference > picture.tolerance or answer.get("label") != expected["label"]:
            raise ProgramError(
                f"its answers are wrong: {answer.get('label')!r} for the {picture.label}, where "
                f"{expected['label']!r} is right; probabilities differ by {difference:.3f}"
            )
    return largest


def compare_answers(answer: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    """Return the largest difference between the probabilities; ``ProgramError`` without them."""
    given, wanted = answer.get("probabilities"), expected["probabilities"]
    if not isinstance(given, dict) or given.keys() != wanted.keys():
        raise ProgramError("its answers are wrong: they lack the probabilities of the classes")
    # NaN must not pass for a small difference.
    differences = [abs(given[name] - wanted[name]) for name in wanted]
    return float(np.nan_to_num(np.array(differences), nan=np.inf).max())
