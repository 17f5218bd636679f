"""Loads a server with wrk and reads what it measured."""

import json
import math
import os
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.common.programs import ProgramError, process_tree
from benchmarks.common.server import Server

# Seconds after which an answer is an error; any server takes less, and late answers must count.
TIMEOUT_SECONDS = 60
# A server that takes less than this share of one processor for so long has nothing left to do.
IDLE_PERCENT, IDLE_SECONDS = 20, 0.5
SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True)
class Load:
    """What one load by wrk came to: seconds to half and to 99 of 100 of the answers.

    Each connection sends one request at a time.
    """

    connections: int
    p50: float
    p99: float
    requests_per_second: float


def put_load(server: Server, picture: bytes, connections: int, seconds: int) -> Load:
    """Send a picture over and over, and wait until the server is idle.

    Raises:
        ProgramError: wrk fails, a request gets an error, or none gets an answer.
    """
    command = ["wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s"]
    command += [f"--header={name}: {value}" for name, value in server.headers.items()]
    with tempfile.NamedTemporaryFile() as file:
        file.write(picture)
        file.flush()
        result = subprocess.run(
            [*command, "--script", str(SCRIPT), server.url],
            env={**os.environ, "BODY": file.name},
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode != 0:
        raise ProgramError(f"wrk ended with code {result.returncode}: {result.stderr.strip()}")
    wait_until_idle(server.pid)
    return parse_output(result.stdout, connections)


def parse_output(output: str, connections: int) -> Load:
    """Read the last line, the script's; ``ProgramError`` for errors, or where nothing came back."""
    summary = json.loads(output.strip().splitlines()[-1])
    if any(summary["errors"].values()):
        raise ProgramError(f"errors under load: {summary['errors']}")
    if not summary["requests"]:
        raise ProgramError("nothing was answered")
    # wrk counts in microseconds.
    p50, p99, seconds = (summary[name] / 1e6 for name in ("p50", "p99", "duration"))
    return Load(connections, p50, p99, summary["requests"] / seconds)


def wait_until_idle(pid: int) -> None:
    """Wait until a server and its descendants have ended what they still do for an earlier load.

    wrk leaves at the end of its time without the answers that are due, and a server goes on to
    work on them: a second and more after a load of large pictures.
    """
    processes, share = process_tree(pid), math.inf
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with suppress(psutil.NoSuchProcess):
        sum(process.cpu_percent() for process in processes)
        while share > IDLE_PERCENT and time.monotonic() < deadline:
            time.sleep(IDLE_SECONDS)
            share = sum(process.cpu_percent() for process in processes)
