"""A process of its own that decodes what it is sent, so that its death can be reported."""

import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model.images.errors import ImageError
from model.images.preprocessing import prepare

IMAGE_SIZE = 32
# Seconds of the processor, as the machine may be busy with other things: most that an input may
# take, and those after which the process is ended.
MAX_SECONDS, HANG_SECONDS = 5, 60
# Most bytes of memory: some 100 MB of the process, and 400 MB for a JPEG of 64 million pixels in
# several scans.
MAX_MEMORY = 512 * 2**20
Decode = Callable[[bytes, int], Any]


class Verdict(NamedTuple):
    """What came of one input.

    Attributes:
        outcome: `answer` or the name of the error that was raised.
        fault: What is wrong with that; empty if nothing is.
        seconds: Seconds of the processor that it took.
        peak: Most bytes of memory that the process has held up to now.
    """

    outcome: str
    fault: str
    seconds: float = 0
    peak: int = 0


class Judge:
    """Decodes inputs in a child process, which is started anew after each death."""

    def __init__(self, decode: Decode = prepare) -> None:
        self._decode = decode
        self._start()

    def judge(self, data: bytes) -> Verdict:
        """Decode an input; that the process dies is a fault, too."""
        started = time.monotonic()
        try:
            verdict = self._pool.submit(_measure, data, self._decode, HANG_SECONDS).result()
        except BrokenProcessPool:
            self._start()
            took = time.monotonic() - started
            kind = "hang" if took > HANG_SECONDS else "crash"
            return Verdict(kind, f"{kind}: the process died after {took:.0f} s")
        fault = verdict.fault
        if verdict.seconds > MAX_SECONDS:
            fault = fault or f"it took {verdict.seconds:.1f} s"
        if verdict.peak > MAX_MEMORY:
            fault = fault or f"it took {verdict.peak / 2**20:.0f} MiB of memory"
            # The peak would count against the next inputs.
            self.stop()
            self._start()
        return verdict._replace(fault=fault)

    def stop(self) -> None:
        """End the process."""
        self._pool.shutdown()

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _silence)


def _silence() -> None:
    """Discard what libtiff writes about files."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _measure(data: bytes, decode: Decode, hang_seconds: int) -> Verdict:
    started = time.process_time()
    # Beyond it, the system ends the process, whatever code runs.
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(started) + 1 + hang_seconds, hard))
    outcome, fault = examine(data, decode)
    seconds = time.process_time() - started
    return Verdict(outcome, fault, seconds, _peak_memory())


def _peak_memory() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        # Linux would count what the parent had when it started this process, were it asked below.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def examine(data: bytes, decode: Decode = prepare) -> tuple[str, str]:
    """Decode an input in this process.

    Returns:
        `answer` or the error's name, and what is wrong with it, empty if nothing is.
    """
    try:
        pixels = decode(data, IMAGE_SIZE).pixels
    except Exception as error:  # noqa: BLE001 - any but ImageError is what is looked for
        allowed = isinstance(error, ImageError) and str(error)
        return type(error).__name__, "" if allowed else traceback.format_exc()
    right = pixels.shape == (IMAGE_SIZE, IMAGE_SIZE, 3) and pixels.dtype == np.uint8
    return "answer", "" if right else f"{pixels.dtype} {pixels.shape}"
