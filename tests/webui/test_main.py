"""``python -m webui``: the program that people start and stop."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from benchmarks.common.server import free_ports
from model import PROJECT
from tests.helpers.fake_torchserve import FakeTorchServe, Held
from tests.helpers.pictures import RED
from tests.helpers.sending import PNG
from tests.helpers.waiting import wait_until
from webui.__main__ import main
from webui.settings import Settings

COMMAND = [sys.executable, "-m", "webui"]


def test_help_lists_every_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["webui", "--help"])
    with pytest.raises(SystemExit, match="0"):
        main()
    text = capsys.readouterr().out
    for setting in Settings.describe():
        assert f"  {setting.variable}={setting.default}\n      {setting.help}" in text


def test_wrong_setting_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["webui"])
    monkeypatch.setenv("WEBUI_PORT", "http")
    assert main() == 2
    assert re.fullmatch(r"webui: WEBUI_PORT must .*\n", capsys.readouterr().err)


@pytest.mark.parametrize("variable", ["WEBUI_PORT", "WEBUI_METRICS_PORT"])
def test_taken_port_is_one_line_and_status_1(variable: str) -> None:
    ports = dict(zip(("WEBUI_PORT", "WEBUI_METRICS_PORT"), map(str, free_ports(2)), strict=True))
    with socket.create_server(("127.0.0.1", int(ports[variable]))):
        environment = {**os.environ, **ports}
        completed = subprocess.run(
            COMMAND, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )
    assert completed.returncode == 1
    expected = rf"webui: cannot listen on 127\.0\.0\.1:{ports[variable]}: .* or {variable}\n"
    assert re.fullmatch(expected, completed.stderr)


@contextmanager
def running(tmp_path: Path, **settings: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run the program, and give its address as well."""
    port, metrics_port = free_ports(2)
    environment = {
        "WEBUI_PORT": str(port),
        "WEBUI_METRICS_PORT": str(metrics_port),
        "TORCHSERVE_RUN_DIRECTORY": str(tmp_path),
        **settings,
    }
    process = subprocess.Popen(
        COMMAND, cwd=PROJECT, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            address = f"http://127.0.0.1:{port}"
            assert f"{address}/" in line
            yield process, address
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as (process, _):
        process.send_signal(number)
        _, rest = process.communicate(timeout=10)
        assert (process.returncode, rest) == (0, "")


def test_what_was_accepted_is_answered_before_it_ends(
    tmp_path: Path, torchserve: FakeTorchServe
) -> None:
    held = torchserve.answers_to[PNG] = Held()
    (metrics_port,) = free_ports(1)
    ports = {
        "TORCHSERVE_INFERENCE_PORT": str(torchserve.port),
        "TORCHSERVE_MANAGEMENT_PORT": str(torchserve.port),
        "WEBUI_METRICS_PORT": str(metrics_port),
    }
    with running(tmp_path, **ports, MODEL_NAME="zoo") as running_one, ThreadPoolExecutor(6) as pool:
        process, address = running_one

        def ask(path: str, **options: Any) -> urllib3.BaseHTTPResponse:
            method = "POST" if options else "GET"
            headers = {"Content-Type": "image/png", "Accept": "application/json"}
            url = address + path
            return urllib3.request(
                method, url, headers=headers, timeout=30, retries=False, **options
            )

        # More than run at once.
        futures = [pool.submit(ask, "/predict", body=PNG) for _ in range(6)]
        metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        two_wait = 'webui_picture_requests{state="waiting"} 2.0'
        wait_until(lambda: two_wait in urllib3.request("GET", metrics).data.decode())
        process.terminate()
        wait_until(lambda: ask("/readyz").status == 503)
        for refused in (ask("/readyz"), ask("/predict", body=RED)):
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
            assert refused.json()["type"] == "StoppingError"
        assert process.poll() is None
        held.released.set()
        assert [future.result().status for future in futures] == [200] * 6
        assert process.wait(2) == 0
        assert RED not in torchserve.images


def test_web_ui_imports_nothing_heavy() -> None:
    code = "import sys, webui.__main__; print(*{'torch', 'numpy'} & set(sys.modules))"
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == ""
