"""Runs a program and watches it: its lines, its time, its memory, its end."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.memory import PeakMemory

PROJECT = Path(__file__).resolve().parent.parent
LAST_LINES = 10
STOP_SECONDS = 10


class ProgramError(RuntimeError):
    """A program failed; the message is how it ended and the last lines of its stderr."""


@dataclass(frozen=True)
class Watched:
    """What a finished program took: seconds from start to end, and bytes at its peak."""

    seconds: float
    peak_memory: int


def watch(
    command: Sequence[str], on_line: Callable[[str], None], environment: Mapping[str, str]
) -> Watched:
    """Run ``command`` in the project's folder, to its end or to an exception.

    Nothing that it started is left running afterwards, however this ends.

    Args:
        command: program and arguments.
        on_line: called with each line of its stdout, as it comes.
        environment: variables besides the ones of this process.

    Returns:
        What it took.

    Raises:
        ProgramError: it could not be started or ended with another code than 0.
    """
    with tempfile.TemporaryFile("w+") as errors:
        started = time.monotonic()
        process = _start(command, environment, subprocess.PIPE, errors)
        try:
            with PeakMemory(process.pid) as memory:
                for line in process.stdout or ():
                    on_line(line)
                process.wait()
            seconds = time.monotonic() - started
        finally:
            _stop(process)
        if process.returncode != 0:
            last = _last_lines(errors) or ["(nothing on stderr)"]
            raise ProgramError("\n".join([f"it ended with code {process.returncode}", *last]))
    return Watched(seconds, memory.peak)


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    """Run ``command`` in the project's folder while the context is entered.

    Nothing that it started is left running afterwards.

    Args:
        command: program and arguments.
        environment: variables besides the ones of this process.

    Raises:
        ProgramError: it could not be started; or what is raised inside, with the last lines that
            the program printed.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = _start(command, environment, output, subprocess.STDOUT)
        try:
            yield process
        except ProgramError as error:
            _stop(process)
            raise ProgramError("\n".join([str(error), *_last_lines(output)])) from error
        finally:
            _stop(process)


def _start(
    command: Sequence[str],
    environment: Mapping[str, str],
    stdout: IO[str] | int,
    stderr: IO[str] | int,
) -> "subprocess.Popen[str]":
    try:
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            # A group of its own, so that its workers can be stopped with it.
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramError(f"it could not be started: {error}") from error


def _last_lines(file: IO[str]) -> list[str]:
    file.seek(0)
    return file.read().strip().splitlines()[-LAST_LINES:]


def _stop(process: "subprocess.Popen[str]") -> None:
    """End the process, and whatever of its group has outlived it."""
    with suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()
