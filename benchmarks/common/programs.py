"""Runs the programs that are compared, and watches their lines, their memory and their end."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

import psutil

from model import PROJECT

# Number of lines of a program's output that an error cites.
LAST_LINES = 10
# Seconds after which a program that was asked to end is killed.
STOP_SECONDS = 30
INTERVAL_SECONDS = 0.5
MEMORY_METHOD = f"proportional set size of all processes, every {INTERVAL_SECONDS} s"

Process = subprocess.Popen[str]
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
        ProgramError: The program could not be started or ended with another code than 0.
    """
    with running(command, environment, pipe=True) as process, watch_memory(process.pid) as samples:
        for line in process.stdout or ():
            on_line(line)
        if process.wait() != 0:
            raise ProgramError(f"it ended with code {process.returncode}")
    return max(samples)


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], *, pipe: bool = False
) -> Iterator[Process]:
    """Run a program in the project's folder; nothing that it started is left running afterwards.

    Args:
        command: Program and arguments.
        environment: Variables besides the ones of this process.
        pipe: Whether the caller reads its stdout.

    Raises:
        ProgramError: The program could not be started; or one that is raised inside, completed with
            the last lines of its output.
    """
    with tempfile.TemporaryFile("w+") as output:
        try:
            process = Process(
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


def _stop(process: Process) -> None:
    """End the process, and whatever of its group has outlived it."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


@contextmanager
def watch_memory(pid: int) -> Iterator[list[int]]:
    """Sample the memory of a process tree, in bytes, from a thread while the context is entered."""
    samples, done = [tree_memory(pid)], threading.Event()

    def take_samples() -> None:
        while not done.wait(INTERVAL_SECONDS):
            samples.append(tree_memory(pid))

    thread = threading.Thread(target=take_samples, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def tree_memory(pid: int) -> int:
    """Return the bytes of a process and its descendants; 0 when it is gone.

    Where the system knows it, as Linux does, each shared page is divided among those that share it.
    """
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


def take_turns(
    contestants: Mapping[str, Callable[[int], Result]], rounds: int
) -> tuple[dict[str, list[Result]], dict[str, str]]:
    """Run each contestant once a round; one that fails is left out of the next rounds.

    A contestant gets the number of the round, from 0, and raises ``ProgramError`` where it fails.

    Returns:
        The results of those that never failed, and the messages of those that did, by name.
    """
    results: dict[str, list[Result]] = {name: [] for name in contestants}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for name in list(results):
            print(f"{name}, round {number + 1} of {rounds}", flush=True)
            try:
                results[name].append(contestants[name](number))
            except ProgramError as error:
                failures[name] = str(error)
                del results[name]
                print(f"{name} failed: {error}", file=sys.stderr, flush=True)
    return results, failures
