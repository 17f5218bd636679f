"""Progress of long work: a bar on a terminal, nothing in a log file."""

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

from model.processes import Processes

Item = TypeVar("Item")


def progress(items: Sequence[Item], description: str, unit: str, done: int = 0) -> Iterator[Item]:
    """Yield ``items`` one by one and show on stderr, if it is a terminal, how far they are.

    ``done`` is the number of items that were done before.
    """
    seen = sys.stderr and sys.stderr.isatty() and Processes.from_environment().is_first
    yield from tqdm(
        items,
        description,
        total=done + len(items),
        initial=done,
        unit=f" {unit}",
        leave=False,
        disable=not seen,
    )
