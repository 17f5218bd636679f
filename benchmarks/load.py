"""Loads a server with wrk and reads what it measured."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.programs import ProgramError

# Longer than any of the servers takes: an answer that is late counts in the percentiles.
TIMEOUT_SECONDS = 60
# What wrk may take beyond the time it was given.
PATIENCE_SECONDS = 30
MICROSECONDS = 1e6
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
class Request:
    """What is sent, over and over: ``body`` by POST to ``url``."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Load:
    """What one load by wrk came to.

    Attributes:
        connections: that were open at once, each with one request at a time.
        p50: median time to the answer, in seconds.
        p99: in seconds.
        requests: that were answered, whatever the answer.
        seconds: that it took.
        errors: by kind, those that are not 0: ``connect``, ``read``, ``write`` and ``timeout``
            of sockets; ``status`` of answers that are 400 or above.
    """

    connections: int
    p50: float
    p99: float
    requests: int
    seconds: float
    errors: Mapping[str, int]

    @property
    def requests_per_second(self) -> float:
        """Answers in a second."""
        return self.requests / self.seconds


def find_wrk() -> str:
    """Return the path of wrk.

    Raises:
        ProgramError: it is not installed.
    """
    path = shutil.which("wrk")
    if path is None:
        raise ProgramError("wrk is missing; on Debian and Ubuntu: sudo apt-get install wrk")
    return path


def put_load(request: Request, connections: int, seconds: int) -> Load:
    """Send ``request`` again and again over ``connections``.

    Raises:
        ProgramError: wrk is missing or fails, or there was no answer at all.
    """
    with tempfile.TemporaryDirectory() as directory:
        script = write_script(request, Path(directory))
        command = [find_wrk(), "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s"]
        try:
            result = subprocess.run(
                [*command, "--script", str(script), request.url],
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds + PATIENCE_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise ProgramError("wrk came to no end") from error
    if result.returncode != 0:
        raise ProgramError(f"wrk ended with code {result.returncode}: {result.stderr.strip()}")
    return parse_output(result.stdout, connections)


def write_script(request: Request, directory: Path) -> Path:
    """Write the body and wrk's script that sends it; returns the script."""
    body, script = directory / "body", directory / "script.lua"
    body.write_bytes(request.body)
    headers = [
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}"
        for name, value in request.headers.items()
    ]
    script.write_text(SCRIPT.format(body=json.dumps(str(body)), headers="\n".join(headers)))
    return script


def parse_output(output: str, connections: int) -> Load:
    """Read the line of JSON that the script prints after wrk's own report.

    Raises:
        ProgramError: there is none, or it says that nothing was answered.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise ProgramError("wrk printed no result")
    measured: dict[str, Any] = json.loads(lines[-1])
    kinds = ("connect", "read", "write", "status", "timeout")
    load = Load(
        connections=connections,
        p50=measured["p50"] / MICROSECONDS,
        p99=measured["p99"] / MICROSECONDS,
        requests=measured["requests"],
        seconds=measured["duration"] / MICROSECONDS,
        errors={kind: measured[kind] for kind in kinds if measured[kind]},
    )
    if not load.requests and not load.errors:
        raise ProgramError(f"nothing was answered within {load.seconds:.0f} s")
    return load
