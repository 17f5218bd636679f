"""Tries a new version of a model on known pictures, beside the one that answers."""

import base64
import json
import math
import random
import re
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from model.command_line import format_percentage
from model.images.errors import ImageError
from model.inference import EXAMPLES_FILE_NAME, read_file
from model.inference.classifier import Classifier
from serving import ServeError
from webui.torchserve.client import TorchServeClient
from webui.torchserve.errors import OverloadedError, RejectedImageError

# Most pictures of a labelled sample that are sent, and number of those that are timed.
MOST_PICTURES = 1000
TIMED_PICTURES = 30
# Probability below which a version is worse by more than chance.
SIGNIFICANCE = 0.05
# Seconds for which a full queue is asked again.
QUEUE_SECONDS = 30


class Known(NamedTuple):
    """A picture, or its file, and the class that it shows; None where that is not known."""

    picture: bytes | Path
    label: str | None

    def read(self) -> bytes:
        """Return the content of the file."""
        return self.picture.read_bytes() if isinstance(self.picture, Path) else self.picture


def read_examples(archive: Path, class_names: Collection[str]) -> list[Known]:
    """Return the pictures that travel in an archive; one named “cat 2” is the second cat."""
    with suppress(FileNotFoundError):
        return [
            Known(base64.b64decode(example["webp"]), label if label in class_names else None)
            for example in json.loads(read_file(archive, EXAMPLES_FILE_NAME))
            for label in [re.sub(r" \d+$", "", example["name"])]
        ]
    return []


def list_sample(folder: Path, class_names: Collection[str]) -> list[Known]:
    """Return pictures of a folder, in which those of a class are below a folder of its name.

    Raises:
        ServeError: There are none.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    labelled = [
        Known(file, label)
        for file in files
        for label in file.relative_to(folder).parts[:-1]
        if label in class_names
    ]
    if not labelled:
        raise ServeError(f"{folder} has no folder that is called as one of the classes")
    # The same pictures at each deploy.
    return random.Random(0).sample(labelled, min(len(labelled), MOST_PICTURES))  # noqa: S311


def count_right(
    client: TorchServeClient, versions: Sequence[str], known: Sequence[Known]
) -> list[list[bool]]:
    """Send known pictures to versions, and say of each whether its labelled ones were right.

    Raises:
        ServeError: No picture could be read.
        WebUIError: A version gives no answer.
    """
    right: list[list[bool]] = [[] for _ in versions]
    answered = False
    for known_one in known:
        try:
            labels = [_ask(client, known_one.read(), version) for version in versions]
        except RejectedImageError:
            continue
        answered = True
        if known_one.label:
            for results, label in zip(right, labels, strict=True):
                results.append(label == known_one.label)
    if not answered:
        raise ServeError("none of the known pictures can be read")
    return right


def _ask(client: TorchServeClient, content: bytes, version: str) -> str:
    deadline = time.monotonic() + QUEUE_SECONDS
    while True:
        try:
            return client.predict(content, version)["label"]
        except OverloadedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def measure_work(classifiers: Sequence[Classifier], known: Sequence[Known]) -> list[float]:
    """Return how many seconds of a processor each classifier takes for a picture (the median).

    It is measured here, because in the server only the version that answers has pictures waiting.
    """
    seconds: list[list[float]] = [[] for _ in classifiers]
    for picture in islice(cycle(known), TIMED_PICTURES):
        with suppress(ImageError):
            for classifier, times in zip(classifiers, seconds, strict=True):
                started = time.process_time()
                classifier.classify(picture.read())
                times.append(time.process_time() - started)
    return [*map(median, seconds)]


def require_as_good(new: Sequence[bool], old: Sequence[bool]) -> None:
    """Refuse a version that is worse than the one that answers by more than chance.

    That is asked of the pictures that only one of them was right about (the exact test of McNemar
    1947, “Note on the sampling error of the difference between correlated proportions or
    percentages”, one-sided).

    Args:
        new: Whether the new version was right, by picture.
        old: The same of the one that answers.

    Raises:
        ServeError: It is worse.
    """
    gained, lost = sum(map(bool.__gt__, new, old)), sum(map(bool.__gt__, old, new))
    if chance_of_at_most(gained, gained + lost, 0.5) < SIGNIFICANCE:
        raise ServeError(
            f"it is worse: right about {sum(new)} of {len(new)} known pictures, and the version "
            f"that answers about {sum(old)}"
        )


def require_claim(right: Sequence[bool], accuracy: float | None) -> None:
    """Refuse a version that is right about fewer pictures than its card lets expect.

    Args:
        right: Whether it was right, by picture.
        accuracy: The share in [0, 1] that its card states, if it does.

    Raises:
        ServeError: It is.
    """
    if accuracy is not None and chance_of_at_most(sum(right), len(right), accuracy) < SIGNIFICANCE:
        raise ServeError(
            f"it is right about {sum(right)} of {len(right)} known pictures, although its card "
            f"says {format_percentage(accuracy)}: its weights may be damaged, or these pictures of "
            "another kind (see --data)"
        )


def chance_of_at_most(right: int, of: int, share: float) -> float:
    """Return how likely at most ``right`` of some pictures are right if a ``share`` of all is."""
    return sum(
        math.comb(of, count) * share**count * (1 - share) ** (of - count)
        for count in range(right + 1)
    )
