"""A running server: how to ask it, and how to start ours on ports that nobody uses."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import urllib3

from benchmarks.common.pictures import small_picture
from benchmarks.common.programs import Process, ProgramError, find_processes, running
from model import BEST_ARCHIVE, PROJECT
from webui.settings import LATEST, Settings

# The shipped archives by version.
ARCHIVES = {"2.0": BEST_ARCHIVE, "1.0": BEST_ARCHIVE.with_name("cifar10.mar")}
START_SECONDS = 180
ANSWER_SECONDS = 60
OK = 200
# Ports that Linux and macOS give to no outgoing connection, which could take one that was free.
PORTS = range(20_000, 32_768)
BYTES = {"Content-Type": "application/octet-stream"}


class Server(NamedTuple):
    """A running server: its root process, where a picture is sent, and its page, if it has one.

    ``environment`` are the settings of ours.
    """

    pid: int
    url: str
    headers: Mapping[str, str] = BYTES
    web_ui: str = ""
    environment: Mapping[str, str] = {}


@contextmanager
def our_server(
    version: str = LATEST, rate_limit: str = "unlimited", folder: Path | None = None
) -> Iterator[Server]:
    """Run ``serve.py`` with a copy of the shipped archives, of which ``version`` answers.

    It is ready. All that it writes, and the copy, is below ``folder``. The root process is
    TorchServe's, so that the web UI counts for nothing.

    Raises:
        ProgramError: It does not start.
    """
    names = [one.variable for one in Settings.describe() if one.variable.endswith("_PORT")]
    with tempfile.TemporaryDirectory(dir=folder) as directory:
        store = Path(directory, "store")
        store.mkdir()
        for archive in ARCHIVES.values():
            shutil.copy(archive, store)
        environment = {
            **dict(zip(names, map(str, free_ports(len(names))), strict=True)),
            "MODEL_STORE": str(store),
            "MODEL_VERSION": version,
            "TORCHSERVE_RUN_DIRECTORY": directory,
            "TMPDIR": directory,
            "RATE_LIMIT": rate_limit,
        }
        settings = Settings.from_environment(environment)
        url = f"{settings.inference_url}/predictions/{settings.model_name}"
        web_ui = f"http://127.0.0.1:{settings.webui_port}/"
        with running([sys.executable, "serve.py"], environment) as process:
            key = _read_key(settings.key_file, process)
            headers = {**BYTES, "Authorization": f"Bearer {key}"}
            (torchserve,) = find_processes(process.pid, "ts.model_server")
            server = Server(torchserve.pid, url, headers, web_ui, environment)
            wait_until_ready(server)
            yield server


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    # A process beside this one, whose number is near, chooses among others.
    candidates = PORTS[os.getpid() % 16 :: 16]
    ports: list[int] = []
    with ExitStack() as opened:
        while len(ports) < count:
            port = random.choice(candidates)  # noqa: S311
            with suppress(OSError):
                opened.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    return ports


def _read_key(file: Path, process: Process) -> str:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        # It may not be written yet, or not to its end.
        with suppress(OSError, ValueError):
            return str(json.loads(file.read_text())["inference"]["key"])
        time.sleep(0.1)
    raise ProgramError("TorchServe left no keys")


def ask(server: Server, picture: bytes) -> dict[str, Any]:
    """Send a picture; raises ``ProgramError`` where there is no answer, or another than 200."""
    http = urllib3.PoolManager(headers=server.headers, timeout=ANSWER_SECONDS, retries=False)
    try:
        response = http.request("POST", server.url, body=picture)
    except urllib3.exceptions.HTTPError as error:
        raise ProgramError(f"it gives no answer: {error}") from error
    if response.status != OK:
        beginning = response.data[:200].decode(errors="replace")
        raise ProgramError(f"it answers {response.status}: {beginning}")
    return dict(response.json())


def deploy(server: Server, *arguments: str) -> str:
    """Run ``serving.deploy`` for a server of ours, and return what it says.

    Raises:
        ProgramError: It has failed; the message is its own.
    """
    command = [sys.executable, "-m", "serving.deploy", *arguments]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, **server.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProgramError(done.stderr.strip())
    return done.stdout.strip()


def wait_until_ready(server: Server) -> None:
    """Wait until a server answers; ``ProgramError`` if it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ask(server, small_picture())
        except ProgramError as error:
            # A process that has ended is a zombie until its parent asks for its exit code.
            pid = server.pid
            if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                raise ProgramError("it ended by itself while it started") from error
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
