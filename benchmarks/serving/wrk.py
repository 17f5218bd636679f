"""Loads a server with wrk and reads what it measured."""

import json
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.common.programs import ProgramError, process_tree
from benchmarks.common.server import Request

# Seconds after which an answer is an error; any server takes less, and late answers must count.
TIMEOUT_SECONDS = 60
# A server that takes less than this share of one processor for so long has nothing left to do.
IDLE_PERCENT, IDLE_SECONDS = 20, 0.5
ERRORS = ("connect", "read", "write", "status", "timeout")
SCRIPT = """\
local file = assert(io.open({body}, "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
{headers}
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{{"p50": %.0f, "p99": %.0f, "requests": %d, "duration": %d, "connect": %d, ' ..
    '"read": %d, "write": %d, "status": %d, "timeout": %d}}\\n',
    latency:percentile(50), latency:percentile(99), summary.requests, summary.duration,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What one load by wrk came to: times to half and to 99 of 100 of the answers, in seconds.

    Each connection sends one request at a time. ``errors`` are numbers by kind, where they are not
    0; ``status`` counts answers that are 400 or above.
    """

    connections: int
    p50: float
    p99: float
    requests_per_second: float
    errors: Mapping[str, int]

    def __str__(self) -> str:
        times = f"p50 {1000 * self.p50:.2f} ms, p99 {1000 * self.p99:.2f} ms"
        rate = f"{self.requests_per_second:,.1f} requests/s"
        return f"{self.connections:>2} connections: {times}, {rate}"


def find_wrk() -> str:
    """Return the path of wrk; raises ``ProgramError`` where it is not installed."""
    path = shutil.which("wrk")
    if path is None:
        raise ProgramError("wrk is missing; on Debian and Ubuntu: sudo apt-get install wrk")
    return path


def put_load(request: Request, connections: int, seconds: int) -> Load:
    """Send a request over and over; raises ``ProgramError`` where wrk fails or nothing answers."""
    with tempfile.TemporaryDirectory() as directory:
        body, script = Path(directory) / "body", Path(directory) / "script.lua"
        body.write_bytes(request.body)
        headers = [
            f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}"
            for name, value in request.headers.items()
        ]
        script.write_text(SCRIPT.format(body=json.dumps(str(body)), headers="\n".join(headers)))
        command = [find_wrk(), "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s"]
        command += ["--script", str(script), request.url]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ProgramError(f"wrk ended with code {result.returncode}: {result.stderr.strip()}")
    return parse_output(result.stdout, connections)


def parse_output(output: str, connections: int) -> Load:
    """Read the last line, the script's; raises ``ProgramError`` where nothing was answered."""
    it = json.loads(output.strip().splitlines()[-1])
    errors = {kind: it[kind] for kind in ERRORS if it[kind]}
    if not it["requests"] and not errors:
        raise ProgramError("nothing was answered")
    # wrk counts in microseconds.
    p50, p99, seconds = it["p50"] / 1e6, it["p99"] / 1e6, it["duration"] / 1e6
    return Load(connections, p50, p99, it["requests"] / seconds, errors)


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
