"""Progress of long work: a bar on a terminal, nothing in a log file."""

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Sequence[Item], description: str, unit: str) -> Iterator[Item]:
    """Yield ``items`` one by one and show on stderr, if it is a terminal, how far they are."""
    hidden = not sys.stderr.isatty()
    yield from tqdm(items, description, unit=f" {unit}", leave=False, disable=hidden)
