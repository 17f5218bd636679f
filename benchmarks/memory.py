"""The peak memory of a program with all the processes that it starts.

The sum of resident sets would count what processes share once for each of them: DataLoader workers
are forks that share most of their parent's memory, and that would be held against it. So, on
Linux, a sample is the anonymous and the shared memory of all processes, divided among those that
share it (``Pss_Anon`` and ``Pss_Shmem``), and the file-backed memory (libraries, mostly) of the
process that has most of it, as the others map the same files. Unlike the whole ``Pss``, that does
not depend on what else runs on the machine.

A peak between two samples can't escape in a program of one process: the kernel keeps the highest
resident set of each (``VmHWM``), and it is the least that a peak is taken for.
"""

import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

INTERVAL_SECONDS = 0.5
METHOD = (
    "anonymous and shared memory of all processes, each page once, plus the file-backed of the "
    f"process with most of it; every {INTERVAL_SECONDS} s, and no less than any process's peak "
    "resident set"
    if sys.platform == "linux"
    else f"sum of the resident sets of all processes, every {INTERVAL_SECONDS} s"
)


class PeakMemory:
    """Watches a process tree while it is entered, from a thread of its own.

    Args:
        pid: of the root of the tree.

    Attributes:
        peak: the most so far, in bytes; 0 before the first sample.
    """

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.peak = max(self.peak, tree_memory(self._pid, with_peaks=True))
            self._stop.wait(INTERVAL_SECONDS)


def tree_memory(pid: int, *, with_peaks: bool = False) -> int:
    """Return the memory of a process and its descendants in bytes; 0 when it is gone.

    Args:
        pid: of the root of the tree.
        with_peaks: return no less than any process has ever had, on Linux.
    """
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    if sys.platform == "linux":
        return _linux_memory([process.pid for process in processes], with_peaks=with_peaks)
    return sum(_resident(process) for process in processes)


def _linux_memory(pids: list[int], *, with_peaks: bool) -> int:
    divided, file_backed, highest = 0, 0, 0
    for pid in pids:
        try:
            fields = _kilobytes(Path(f"/proc/{pid}/status"))
            fields |= _kilobytes(Path(f"/proc/{pid}/smaps_rollup"))
        except OSError:
            continue
        # A process that is ending has no memory any more, and no such lines.
        divided += fields.get("Pss_Anon", 0) + fields.get("Pss_Shmem", 0)
        file_backed = max(file_backed, fields.get("RssFile", 0))
        highest = max(highest, fields.get("VmHWM", 0))
    return 1024 * max(divided + file_backed, highest if with_peaks else 0)


def _kilobytes(file: Path) -> dict[str, int]:
    lines = (line.split() for line in file.read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) for line in lines if line[-1:] == ["kB"]}


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
