"""``python -m webui``: the program that people start and stop."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.webui.conftest import FakeTorchServe
from webui.server import BoundedBuffer, create_server
from webui.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "webui"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    server = create_server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.socket.getsockname()[1]
    # The loop may be awake already, and close what should wake it before it is used.
    with contextlib.suppress(OSError):
        server.trigger.pull_trigger(server.close)
    thread.join(5)
    server.task_dispatcher.shutdown()


def post(
    port: int, content: bytes, *, chunked: bool = False, accept: str = "application/json"
) -> tuple[http.client.HTTPResponse, str]:
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    body = head + content + b"\r\n--x--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Accept": accept}
    if chunked:
        pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
        connection.request("POST", "/predict", pieces, headers, encode_chunked=True)
    else:
        connection.request("POST", "/predict", body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


@pytest.fixture
def no_temporary_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    used = []
    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        original = getattr(tempfile, name)

        def record(*arguments: Any, original: Any = original, **options: Any) -> Any:
            used.append(original)
            return original(*arguments, **options)

        monkeypatch.setattr(tempfile, name, record)
    yield
    assert used == []


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("chunked", [False, True])
def test_upload_of_the_largest_size_stays_in_memory(
    port: int, torchserve: FakeTorchServe, *, chunked: bool
) -> None:
    content = os.urandom(torchserve.max_upload_bytes)
    response, _ = post(port, content, chunked=chunked)
    assert response.status == 200
    assert torchserve.images == [content]


@pytest.mark.usefixtures("no_temporary_files")
def test_page_with_the_largest_picture_stays_in_memory(
    port: int, torchserve: FakeTorchServe
) -> None:
    content = b"GIF89a" + bytes(torchserve.max_upload_bytes - 6)
    response, text = post(port, content, accept="text/html")
    assert response.status == 200
    assert len(text) > 4 / 3 * torchserve.max_upload_bytes


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("factor", [1.01, 1.2, 20])
def test_larger_upload_is_read_to_its_end_and_then_refused(
    port: int, torchserve: FakeTorchServe, *, chunked: bool, factor: float
) -> None:
    content = bytes(int(torchserve.max_upload_bytes * factor))
    response, text = post(port, content, chunked=chunked)
    assert response.status == 413
    assert "UploadTooLargeError" in text
    assert torchserve.images == []


def test_answers_do_not_name_the_server(port: int) -> None:
    response, _ = post(port, b"")
    assert response.headers["Server"] is None


def test_help_lists_every_setting() -> None:
    completed = run("--help")
    assert completed.returncode == 0
    for setting in Settings.describe():
        assert f"{setting.variable} " in completed.stdout
        assert f"{setting.help} (default: {setting.default})" in completed.stdout


def test_wrong_setting_is_one_line_and_status_2() -> None:
    completed = run(WEBUI_PORT="http")
    assert completed.returncode == 2
    assert re.fullmatch(r"webui: WEBUI_PORT must .*\n", completed.stderr)


def test_taken_port_is_one_line_and_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        completed = run(WEBUI_PORT=str(port))
    assert completed.returncode == 1
    assert re.fullmatch(rf"webui: cannot listen on 127\.0\.0\.1:{port}: .*\n", completed.stderr)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly(signal_number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, "WEBUI_PORT": str(port)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert f"http://127.0.0.1:{port}/" in process.stderr.readline()
        process.send_signal(signal_number)
        _, rest = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert rest == ""


def test_web_ui_imports_nothing_heavy() -> None:
    code = "import sys, webui.__main__; print(*{'torch', 'PIL', 'numpy'} & set(sys.modules))"
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == ""


def test_body_beyond_the_limit_is_counted_but_not_kept() -> None:
    buffer = BoundedBuffer(4)
    buffer.append(b"four")
    assert (len(buffer), buffer.getfile().read()) == (4, b"four")
    buffer.append(b"more")
    assert (len(buffer), buffer.getfile().read()) == (8, b"")
