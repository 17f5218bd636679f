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
from model.inference import EXAMPLES_FILE_NAME, read_file
from serving import ServeError
from webui.torchserve.client import PIXEL, TorchServeClient
from webui.torchserve.errors import OverloadedError, RejectedImageError
from webui.torchserve.predictions import Prediction

# Most pictures of a labelled sample that are sent, and least answers that are timed.
MOST_PICTURES = 1000
LEAST_ANSWERS = 20
# Probability below which a version is worse by more than chance.
SIGNIFICANCE = 0.05
# Seconds for which a full queue is asked again.
QUEUE_SECONDS = 30


class Known(NamedTuple):
    """A picture, or its file, and the class that it shows; None where that is not known."""

    picture: bytes | Path
    label: str | None


class Result(NamedTuple):
    """How a version did: by picture, whether it was right, and how many seconds it took."""

    right: list[bool]
    seconds: list[float]

    def __str__(self) -> str:
        return f"{sum(self.right)} of {len(self.right)}, {1000 * median(self.seconds):.1f} ms"


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


def try_out(
    client: TorchServeClient, versions: Sequence[str], known: Sequence[Known]
) -> list[Result]:
    """Send known pictures to versions in turn, so that what else happens delays all of them.

    Raises:
        ServeError: No picture could be read.
        WebUIError: A version gives no answer.
    """
    results = [Result([], []) for _ in versions]
    pictures = known or [Known(PIXEL, None)]
    rounds = max(len(pictures), LEAST_ANSWERS)
    for number, (picture, label) in enumerate(islice(cycle(pictures), rounds)):
        content = picture if isinstance(picture, bytes) else picture.read_bytes()
        try:
            answers = [_ask(client, content, version) for version in versions]
        except RejectedImageError:
            continue
        for result, (prediction, seconds) in zip(results, answers, strict=True):
            result.seconds.append(seconds)
            if label and number < len(pictures):
                result.right.append(prediction["label"] == label)
    if not results[0].seconds:
        raise ServeError("none of the known pictures can be read")
    return results


def _ask(client: TorchServeClient, content: bytes, version: str) -> tuple[Prediction, float]:
    deadline = time.monotonic() + QUEUE_SECONDS
    while True:
        started = time.monotonic()
        try:
            return client.predict(content, version), time.monotonic() - started
        except OverloadedError:
            if started > deadline:
                raise
            time.sleep(0.1)


def compare(new: Result, old: Result, most_times: float) -> None:
    """Refuse a version that is slower than the one that answers, or worse by more than chance.

    Whether it is worse is asked of the pictures that only one of them was right about (the exact
    test of McNemar 1947, “Note on the sampling error of the difference between correlated
    proportions or percentages”, one-sided).

    Args:
        new: How the new version did.
        old: How the one that answers did.
        most_times: How many times as long it may take.

    Raises:
        ServeError: It is too slow, or worse.
    """
    gained = sum(map(bool.__gt__, new.right, old.right))
    lost = sum(map(bool.__gt__, old.right, new.right))
    if chance_of_at_most(gained, gained + lost, 0.5) < SIGNIFICANCE:
        raise ServeError(
            f"it is worse: right about {sum(new.right)} of {len(new.right)} known pictures, and "
            f"the version that answers about {sum(old.right)}"
        )
    times = median(new.seconds) / median(old.seconds)
    if times > most_times:
        raise ServeError(
            f"it is too slow: it takes {times:.1f} times as long as the version that answers, and "
            f"{most_times:g} times are allowed (--slower)"
        )


def check_claim(new: Result, accuracy: float | None) -> None:
    """Refuse a version that is right about fewer pictures than its card lets expect.

    Raises:
        ServeError: It is.
    """
    right, of = sum(new.right), len(new.right)
    if accuracy is not None and chance_of_at_most(right, of, accuracy) < SIGNIFICANCE:
        raise ServeError(
            f"it is right about {right} of {of} known pictures, although its card says "
            f"{format_percentage(accuracy)}: its weights may be damaged, or these pictures of "
            "another kind (see --data)"
        )


def chance_of_at_most(right: int, of: int, share: float) -> float:
    """Return how likely at most ``right`` of some pictures are right if a ``share`` of all is."""
    return sum(
        math.comb(of, count) * share**count * (1 - share) ** (of - count)
        for count in range(right + 1)
    )
