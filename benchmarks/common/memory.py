"""The memory of a program with all the processes that it starts.

The sum of resident sets would count what processes share once for each of them. DataLoader workers,
for instance, are forks that share most of their parent's memory. So, on Linux, a sample is the
anonymous and the shared memory of all processes, divided among those that share it (``Pss_Anon``
and ``Pss_Shmem``), and the file-backed memory (libraries, mostly) of the process that has most of
it, as the others map the same files. Unlike the whole ``Pss``, that does not depend on what else
runs on the machine.

A program of one process can't hide a peak between two samples: the kernel keeps the highest
resident set of each process (``VmHWM``), and no peak is taken to be lower than that.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

INTERVAL_SECONDS = 0.5
METHOD = (
    "anonymous and shared memory of all processes, each page once, plus the file-backed of the "
    f"process with most of it; every {INTERVAL_SECONDS} s, and no less than any process's peak "
    "resident set"
    if sys.platform == "linux"
    else f"sum of the resident sets of all processes, every {INTERVAL_SECONDS} s"
)


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
            peak.memory = max(peak.memory, tree_memory(pid, with_peaks=True))
            done.wait(INTERVAL_SECONDS)

    thread = threading.Thread(target=take_samples, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def tree_memory(pid: int, *, with_peaks: bool = False) -> int:
    """Return the bytes of a process and its descendants; 0 when it is gone.

    With peaks, it is no less than any of the processes has ever had, on Linux.
    """
    divided, file_backed, highest = 0, 0, 0
    for process in process_tree(pid):
        with suppress(psutil.Error, OSError):
            if sys.platform != "linux":
                divided += process.memory_info().rss
                continue
            fields = _bytes(f"/proc/{process.pid}/status")
            fields |= _bytes(f"/proc/{process.pid}/smaps_rollup")
            # A process that is ending has no memory any more, and no such lines.
            divided += fields.get("Pss_Anon", 0) + fields.get("Pss_Shmem", 0)
            file_backed = max(file_backed, fields.get("RssFile", 0))
            highest = max(highest, fields.get("VmHWM", 0))
    return max(divided + file_backed, highest if with_peaks else 0)


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; nothing when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _bytes(file: str) -> dict[str, int]:
    lines = (line.split() for line in Path(file).read_text().splitlines())
    return {line[0].rstrip(":"): 1024 * int(line[1]) for line in lines if line[-1:] == ["kB"]}
