"""``python -m webui``: the program that people start and stop."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.webui.conftest import MAX_FORM_BYTES, MAX_UPLOAD_BYTES, FakeTorchServe
from webui import create_app
from webui.server import BoundedBuffer, create_server
from webui.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
# GIFs, as those become part of the page.
LARGEST_FORM = [
    (b"GIF87a" + bytes([index])).ljust(MAX_FORM_BYTES // 5, b"\0") for index in range(5)
]
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


def form_of(*contents: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    return b"".join(head + content + b"\r\n" for content in contents) + b"--x--\r\n"


def post(
    port: int,
    *contents: bytes,
    chunked: bool = False,
    raw: bool = False,
    accept: str = "application/json",
) -> tuple[http.client.HTTPResponse, str]:
    """Send pictures in a form, or one `raw`, as it is."""
    body = contents[0] if raw else form_of(*contents)
    content_type = "application/octet-stream" if raw else "multipart/form-data; boundary=x"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": content_type, "Accept": accept}
    if chunked:
        pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
        connection.request("POST", "/predict", pieces, headers, encode_chunked=True)
    else:
        connection.request("POST", "/predict", body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("raw", [False, True])
def test_upload_of_the_largest_size_stays_in_memory(
    port: int, torchserve: FakeTorchServe, *, chunked: bool, raw: bool
) -> None:
    content = os.urandom(MAX_UPLOAD_BYTES)
    response, _ = post(port, content, chunked=chunked, raw=raw)
    assert response.status == 200
    assert torchserve.images == [content]


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("chunked", [False, True])
def test_form_of_the_largest_size_stays_in_memory(
    port: int, torchserve: FakeTorchServe, *, chunked: bool
) -> None:
    response, _ = post(port, *LARGEST_FORM, chunked=chunked)
    assert response.status == 200
    assert sorted(torchserve.images) == LARGEST_FORM


@pytest.mark.usefixtures("no_temporary_files")
def test_page_with_the_largest_pictures_stays_in_memory(port: int) -> None:
    response, text = post(port, *LARGEST_FORM, accept="text/html")
    assert response.status == 200
    assert len(text) > 4 / 3 * MAX_FORM_BYTES


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    ("factor", "type_name"),
    [
        (1.01, "UploadTooLargeError"),
        (2.4, "UploadTooLargeError"),
        (2.6, "UploadsTooLargeError"),
        (20, "UploadsTooLargeError"),
    ],
)
def test_larger_upload_is_read_to_its_end_and_then_refused(  # noqa: PLR0913
    port: int,
    torchserve: FakeTorchServe,
    *,
    chunked: bool,
    raw: bool,
    factor: float,
    type_name: str,
) -> None:
    content = bytes(int(MAX_UPLOAD_BYTES * factor))
    response, text = post(port, content, chunked=chunked, raw=raw)
    assert response.status == 413
    assert f'"type":"{type_name}"' in text
    assert torchserve.images == []


def send_raw(port: int, *pieces: bytes) -> bytes:
    """Send what need not be HTTP and return the status line of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return connection.makefile("rb").readline().rstrip()


@pytest.mark.parametrize(
    "lines",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b" " * 200_000 + b"x",
        b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b"\r\n " * 80_000 + b"x",
        b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b"\t" * 200_000 + b"\0",
        b"GET a://" + b"1" * 200_000 + b" x HTTP/1.1\r\nHost: a",
    ],
    ids=["spaces", "folded lines", "tabs", "address"],
)
def test_nothing_in_a_header_holds_others_up(port: int, lines: bytes) -> None:
    assert send_raw(port, lines + b"\r\n\r\n") == b"HTTP/1.0 400 Bad Request"


@pytest.mark.parametrize("beginning", [b"1;", b"0\r\nX: "], ids=["chunk line", "trailer"])
def test_nothing_between_chunks_is_endless(port: int, beginning: bytes) -> None:
    header = b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    # Less than a connection holds, as the rest is not read.
    status = send_raw(port, header, beginning + b"a" * 60_000)
    assert status == b"HTTP/1.1 431 Request Header Fields Too Large"


@pytest.mark.parametrize("address", [b"/healthz", b"http://a/healthz", b"http://a:1/healthz"])
@pytest.mark.parametrize("gap", [b"", b" ", b" " * 20, b"\r\n\t"])
def test_unusual_requests_are_answered(port: int, address: bytes, gap: bytes) -> None:
    request = b"GET " + address + b" HTTP/1.1\r\nHost:" + gap + b"a\r\n\r\n"
    assert send_raw(port, request) == b"HTTP/1.1 200 OK"


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


@pytest.mark.parametrize("setting", [{}, {"max_form_bytes": 1}, {"max_upload_bytes": 40_000_000}])
def test_the_server_keeps_whatever_the_app_takes(
    settings: Settings, setting: dict[str, int]
) -> None:
    app = create_app(replace(settings, **setting))  # type: ignore[arg-type]
    server = create_server(app, "127.0.0.1", 0)
    server.close()
    buffer = BoundedBuffer(server.adj.inbuf_overflow)
    buffer.append(bytes(app.config["MAX_CONTENT_LENGTH"]))
    assert len(buffer.getfile().read()) == app.config["MAX_CONTENT_LENGTH"]
    assert len(buffer) > app.config["MAX_FORM_BYTES"] >= app.config["MAX_UPLOAD_BYTES"]


def test_body_beyond_the_limit_is_counted_but_not_kept() -> None:
    buffer = BoundedBuffer(4)
    buffer.append(b"four")
    assert (len(buffer), buffer.getfile().read()) == (4, b"four")
    buffer.append(b"more")
    assert (len(buffer), buffer.getfile().read()) == (8, b"")
