"""The memory of a program with all the processes that it starts.

The sum of resident sets would count what processes share once for each of them, so a sample is the
proportional set size where the system knows it, as Linux does: each shared page is divided among
those that share it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

INTERVAL_SECONDS = 0.5
METHOD = f"proportional set size of all processes, every {INTERVAL_SECONDS} s"


@dataclass
class Peak:
    """The most memory so far, in bytes; 0 before the first sample."""

    memory: int = 0


@contextmanager
def watch_memory(pid: int) -> Iterator[Peak]:
    """Watch the memory of a process tree from a thread while the context is entered."""
    peak, done = Peak(), threading.Event()

    def take_samples() -> None:
        while not done.is_set():
            peak.memory = max(peak.memory, tree_memory(pid))
            done.wait(INTERVAL_SECONDS)

    thread = threading.Thread(target=take_samples, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def tree_memory(pid: int) -> int:
    """Return the bytes of a process and its descendants; 0 when it is gone."""
    total = 0
    for process in process_tree(pid):
        with suppress(psutil.Error):
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    return total


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; nothing when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
