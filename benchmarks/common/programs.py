"""Runs the programs that are compared, and watches their memory."""

import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from model import PROJECT

# Number of lines of a program's output that an error cites.
LAST_LINES = 10
# Seconds after which a program that was asked to end is killed.
STOP_SECONDS = 30
INTERVAL_SECONDS = 0.5
MEMORY_METHOD = f"proportional set size of all processes, every {INTERVAL_SECONDS} s"
# Script that each of TorchServe's workers runs.
WORKER = "model_service_worker.py"

Process = subprocess.Popen[str]


class ProgramError(RuntimeError):
    """A program failed; the message says how, and ends with the last lines that it printed."""


def run_to_end(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program to its end, and return the bytes of memory of its processes at their peak.

    Raises:
        ProgramError: The program ended with another code than 0.
    """
    with running(command, environment) as process, watch_memory(process.pid) as samples:
        if process.wait() != 0:
            raise ProgramError(f"{shlex.join(command)} ended with code {process.returncode}")
    return max(samples)


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Process]:
    """Run a program in the project's folder; nothing that it started is left running afterwards.

    ``environment`` are variables besides the ones of this process.

    Raises:
        ProgramError: One that is raised inside, completed with the last lines of the program's
            output.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = Process(
            command,
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            # A group of its own, so that its workers can be stopped with it.
            start_new_session=True,
        )
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


@contextmanager
def watch_memory(pid: int) -> Iterator[list[int]]:
    """Sample the memory of a process tree, in bytes, while the context is entered."""
    samples = [tree_memory(pid)]
    with repeatedly(lambda: samples.append(tree_memory(pid)), INTERVAL_SECONDS):
        yield samples


@contextmanager
def repeatedly(act: Callable[[], object], seconds: float) -> Iterator[None]:
    """Act every few seconds, from a thread, while the context is entered."""
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(seconds):
            act()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def tree_memory(pid: int) -> int:
    """Return the bytes of a process and its descendants; 0 when it is gone."""
    total = 0
    for process in process_tree(pid):
        with suppress(psutil.Error):
            total += process_memory(process)
    return total


def process_memory(process: psutil.Process) -> int:
    """Return the bytes of a process.

    Where the system knows it, as Linux does, each shared page is divided among those that share it.
    """
    memory = process.memory_full_info()
    return int(getattr(memory, "pss", memory.rss))


def find_processes(pid: int, name: str) -> list[psutil.Process]:
    """Return those of a process tree that run a program, script or module, in the order of ids."""
    found = []
    for process in process_tree(pid):
        with suppress(psutil.Error):
            if any(Path(word).name == name for word in process.cmdline()):
                found.append(process)
    return sorted(found, key=lambda one: one.pid)


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; nothing when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
