"""Runs the programs that are compared, and watches their lines, their memory and their end."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

from benchmarks.common.memory import watch_memory
from model import PROJECT

# Number of lines of a program's output that an error cites.
LAST_LINES = 10
# Seconds after which a program that was asked to end is killed.
STOP_SECONDS = 10

Say = Callable[[str], None]
Result = TypeVar("Result")


class ProgramError(RuntimeError):
    """A program failed; the message says how, and ends with the last lines that it printed."""


def watch(
    command: Sequence[str], on_line: Callable[[str], None], environment: Mapping[str, str]
) -> int:
    """Run a program to its end, as :func:`running` does, and call ``on_line`` with what it prints.

    Returns:
        Bytes of memory at the peak of the program with all processes that it started.

    Raises:
        ProgramError: the program could not be started or ended with another code than 0.
    """
    with running(command, environment, pipe=True) as process, watch_memory(process.pid) as peak:
        for line in process.stdout or ():
            on_line(line)
        if process.wait() != 0:
            raise ProgramError(f"it ended with code {process.returncode}")
    return peak.memory


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], *, pipe: bool = False
) -> Iterator["subprocess.Popen[str]"]:
    """Run a program in the project's folder; nothing that it started is left running afterwards.

    Args:
        command: program and arguments.
        environment: variables besides the ones of this process.
        pipe: whether the caller reads its stdout.

    Raises:
        ProgramError: the program could not be started; or one that is raised inside, completed with
            the last lines of its output.
    """
    with tempfile.TemporaryFile("w+") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else output,
                stderr=output,
                text=True,
                # A group of its own, so that its workers can be stopped with it.
                start_new_session=True,
            )
        except OSError as error:
            raise ProgramError(f"it could not be started: {error}") from error
        try:
            yield process
        except ProgramError as error:
            _stop(process)
            output.seek(0)
            lines = output.read().strip().splitlines()[-LAST_LINES:]
            raise ProgramError("\n".join([str(error), *lines])) from error
        finally:
            _stop(process)


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


def take_turns(
    contestants: Mapping[str, Callable[[int, Say], Result]], rounds: int
) -> tuple[dict[str, list[Result]], dict[str, str]]:
    """Run each contestant once a round; one that fails is left out of the next rounds.

    A contestant gets the number of the round, from 0, and what prints a line about it; it raises
    ``ProgramError`` where it fails.

    Returns:
        The results of those that never failed, and the messages of those that did, by name.
    """
    results: dict[str, list[Result]] = {name: [] for name in contestants}
    failures: dict[str, str] = {}
    started = time.monotonic()

    def say(heading: str, text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - started), 60)
        print(f"{minutes:>3}:{seconds:02}  {heading}  {text}", flush=True)

    for number in range(rounds):
        for name in list(results):
            say_of_it = partial(say, f"{name:<14} round {number + 1}/{rounds}")
            say_of_it("starts")
            try:
                results[name].append(contestants[name](number, say_of_it))
            except ProgramError as error:
                failures[name] = str(error)
                del results[name]
                print(f"{name} failed: {error}", file=sys.stderr, flush=True)
    return results, failures
