"""Starts the real thing, `serve.py` with TorchServe and the web UI, on ports of its own."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import urllib3

from benchmarks.common.server import free_ports as find_free_ports
from model import PROJECT
from webui.settings import Settings

# Python with what serving needs and nothing else; ``make test`` sets it up.
SERVING_PYTHON = PROJECT / ".venv-serving" / "bin" / "python"
START_SECONDS = 120
PORT_VARIABLES = [
    setting.variable for setting in Settings.describe() if setting.variable.endswith("_PORT")
]


@dataclass
class Server:
    """A running `serve.py` and how to reach it."""

    process: psutil.Process
    ports: dict[str, int]
    settings: Settings
    greeting: str
    # TorchServe closes the connection after an error, so a kept one may be gone.
    http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(
            maxsize=16, retries=urllib3.Retry(2, allowed_methods=None), timeout=60
        )
    )

    @property
    def web_ui(self) -> str:
        return f"http://127.0.0.1:{self.settings.webui_port}"

    def authorization(self, kind: str = "inference") -> dict[str, str]:
        keys = json.loads(self.settings.key_file.read_text())
        return {"Authorization": f"Bearer {keys[kind]['key']}"}

    def post(
        self, path: str = "/predictions/cifar10", headers: dict[str, str] | None = None, **what: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send ``body`` or ``fields`` to TorchServe."""
        url = self.settings.inference_url + path
        return self.http.request(
            "POST", url, headers={**self.authorization(), **(headers or {})}, **what
        )

    def predict(self, image: bytes, **headers: str) -> urllib3.BaseHTTPResponse:
        return self.post(headers=headers, body=image)

    def ask_page(
        self, *images: bytes, accept: str = "application/json"
    ) -> urllib3.BaseHTTPResponse:
        """Send pictures to the web UI in one form."""
        fields = [("image", (f"{index}.png", image)) for index, image in enumerate(images)]
        headers = {"Accept": accept}
        return self.http.request("POST", f"{self.web_ui}/predict", fields=fields, headers=headers)

    def worker_pids(self, status: str | None = None) -> list[int]:
        """Return the workers' process IDs, of all or of those in a status."""
        url = f"{self.settings.management_url}/models/cifar10"
        response = self.http.request("GET", url, headers=self.authorization("management"))
        workers = response.json()[0]["workers"]
        return [each["pid"] for each in workers if status in {None, each["status"]}]


def free_ports() -> dict[str, int]:
    return dict(zip(PORT_VARIABLES, find_free_ports(len(PORT_VARIABLES)), strict=True))


def server_environment(directory: Path, ports: dict[str, int]) -> dict[str, str]:
    ports_as_text = {name: str(port) for name, port in ports.items()}
    return {
        **ports_as_text,
        "TORCHSERVE_RUN_DIRECTORY": str(directory / "run"),
        # Its answers stay as they are, whatever weights the latest version gets.
        "MODEL_VERSION": "1.0",
        # All tests come from one address.
        "RATE_LIMIT": "unlimited",
    }


def start_serve(
    directory: Path,
    ports: dict[str, int],
    python: Path = SERVING_PYTHON,
    arguments: Sequence[str] = ("serve.py",),
    /,
    **environment: str,
) -> "subprocess.Popen[str]":
    """Start `serve.py` as a user does; its temporary files go to a folder of this test's."""
    temporary = directory / "tmp"
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [python, *arguments],
        cwd=PROJECT,
        env={
            **os.environ,
            **server_environment(directory, ports),
            "TMPDIR": str(temporary),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_line(process: "subprocess.Popen[str]", text: str) -> str:
    """Read the output until a line holds ``text``; fail when it ends or takes too long."""
    assert process.stdout is not None
    deadline = time.monotonic() + START_SECONDS
    seen = ""
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 1)[0]:
            line = process.stdout.readline()
            seen += line
            if text in line:
                return line
            if not line:
                break
    process.terminate()
    raise AssertionError(f"{text!r} never came; the output was: {seen}")


@contextmanager
def running_server(
    directory: Path, python: Path = SERVING_PYTHON, /, **environment: str
) -> Iterator[Server]:
    ports = free_ports()
    process = start_serve(directory, ports, python, **environment)
    try:
        greeting = wait_for_line(process, "The model answers")
        settings = Settings.from_environment(
            {**server_environment(directory, ports), **environment}
        )
        yield Server(psutil.Process(process.pid), ports, settings, greeting)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
