"""A process of its own that decodes what it is sent, so that its death can be told of."""

import multiprocessing
import os
import resource
import sys
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil

from model.preprocessing import (
    EmptyBodyError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedFormatError,
    prepare,
)

IMAGE_SIZE = 32
ALLOWED = {EmptyBodyError, ImageTooLargeError, UnreadableImageError, UnsupportedFormatError}
# Of the processor, as the machine may be busy with other things.
MAX_SECONDS = 5.0
# On the clock, after which nothing is expected any more.
PATIENCE_SECONDS = 120.0
# 64 million pixels in four bytes are 256 MB; decoders hold a few copies of parts of them.
MAX_MEMORY_BYTES = 1536 * 2**20
KIBIBYTE = 1 if sys.platform == "darwin" else 1024


def peak_memory() -> int:
    """Return the most memory, in bytes, that this process has had resident."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux would count what the parent had when it started this process, were it asked below.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE


@dataclass(frozen=True)
class Verdict:
    """What came of one input.

    Attributes:
        outcome: ``answer`` or the name of the error that was raised.
        fault: what is wrong with that; empty if nothing is.
        seconds: of the processor.
        memory: resident in the end, in bytes.
        peak: of the memory up to now, in bytes.
    """

    outcome: str
    fault: str
    seconds: float
    memory: int
    peak: int


class Judge:
    """Decodes inputs in a child process, which is started anew after each death."""

    def __init__(self) -> None:
        self._start()

    def judge(self, data: bytes) -> Verdict:
        """Decode ``data``; a crash and a hang are faults, too."""
        try:
            self._connection.send_bytes(data)
            if not self._connection.poll(PATIENCE_SECONDS):
                self.stop()
                self._start()
                return Verdict("hang", f"no end within {PATIENCE_SECONDS:.0f} s", 0, 0, 0)
            verdict: Verdict = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self._start()
            return Verdict("crash", f"the process died with exit code {code}", 0, 0, 0)
        return verdict

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()


def _serve(connection: Connection) -> None:
    process = psutil.Process()
    # Where libtiff writes what it thinks of a file.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    while True:
        try:
            data = connection.recv_bytes()
        except (EOFError, KeyboardInterrupt):
            return
        started = time.process_time()
        outcome, fault = examine(data)
        seconds = time.process_time() - started
        peak = peak_memory()
        if seconds > MAX_SECONDS:
            fault = fault or f"it took {seconds:.1f} s"
        if peak > MAX_MEMORY_BYTES:
            fault = fault or f"it took {peak / 2**20:.0f} MiB of memory"
        connection.send(Verdict(outcome, fault, seconds, process.memory_info().rss, peak))


def examine(data: bytes) -> tuple[str, str]:
    """Decode ``data`` in this process.

    Returns:
        ``answer`` or the error's name, and what is wrong with it, empty if nothing is.
    """
    try:
        pixels = prepare(data, IMAGE_SIZE).pixels
    except Exception as error:  # noqa: BLE001 - any other than the four is what is looked for
        allowed = type(error) in ALLOWED and str(error)
        return type(error).__name__, "" if allowed else traceback.format_exc()
    right = pixels.shape == (IMAGE_SIZE, IMAGE_SIZE, 3) and pixels.dtype == np.uint8
    return "answer", "" if right else f"{pixels.dtype} {pixels.shape}"
