"""Runs programs in sessions of their own, notices when they end, and stops what they started."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from serving import ServeError

# Seconds that a program has after SIGTERM before it is killed.
STOP_SECONDS = 10


@contextmanager
def running(
    command: Sequence[str], log: Path, directory: Path, environment: Mapping[str, str]
) -> Iterator[psutil.Popen]:
    """Run a command in a session of its own; at the end, stop it and everything it started.

    Args:
        command: The program and its arguments.
        log: The file for the program's output, which is emptied first.
        directory: The program's working directory.
        environment: The program's environment variables.

    Yields:
        The process.
    """
    with log.open("wb") as output:
        process = psutil.Popen(
            command,
            cwd=directory,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop_group(process)


def check_alive(processes: Mapping[str, psutil.Popen], log_directory: Path) -> None:
    """Check that all processes are running.

    Args:
        processes: The processes, by name.
        log_directory: The directory that the error message names.

    Raises:
        ServeError: One of the processes has ended by itself.
    """
    for name, process in processes.items():
        if process.poll() is not None:
            raise ServeError(f"{name} ended by itself: see the logs in {log_directory}/")


def stop_group(leader: psutil.Popen) -> None:
    """Ask the process group of ``leader`` to end, and kill the processes that do not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        others = [process for process in group_members(leader.pid) if process.pid != leader.pid]
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, number)
        # Only wait() on the leader's own object makes that object notice the end.
        with suppress(psutil.TimeoutExpired):
            leader.wait(STOP_SECONDS)
        psutil.wait_procs(others, timeout=STOP_SECONDS)


def group_members(group: int) -> list[psutil.Process]:
    """Return the living processes of a process group."""
    members = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                members.append(process)
        except ProcessLookupError:
            pass
    return members
