"""Uploads stay in memory, and no request holds others up."""

import os
import socket
from dataclasses import replace

import pytest
import urllib3

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import part
from tests.webui.conftest import MAX_FORM_BYTES, MAX_UPLOAD_BYTES
from webui import create_app
from webui.settings import Settings
from webui.waitress_server import BoundedBuffer, create_server

# GIFs, as those become part of the page.
LARGEST_FORM = [
    (b"GIF87a" + bytes([index])).ljust(MAX_FORM_BYTES // 5, b"\0") for index in range(5)
]


def post(
    port: int, *contents: bytes, chunked: bool = False, raw: bool = False, accept: str = ""
) -> urllib3.BaseHTTPResponse:
    """Send pictures in a form, or one ``raw``, as it is."""
    form = b"".join(part("image", content, "a.png") for content in contents) + b"--x--\r\n"
    body = contents[0] if raw else form
    headers = {
        "Content-Type": "application/octet-stream" if raw else "multipart/form-data; boundary=x",
        "Accept": accept or "application/json",
        "Connection": "close",
    }
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    url = f"http://127.0.0.1:{port}/predict"
    return urllib3.request("POST", url, body=pieces if chunked else body, headers=headers)


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("chunked", [False, True])
def test_uploads_of_the_largest_size_stay_in_memory(
    port: int, torchserve: FakeTorchServe, *, chunked: bool
) -> None:
    largest = os.urandom(MAX_UPLOAD_BYTES)
    for contents, raw in (([largest], False), ([largest], True), (LARGEST_FORM, False)):
        torchserve.images.clear()
        response = post(port, *contents, chunked=chunked, raw=raw)
        assert response.status == 200
        assert sorted(torchserve.images) == contents


@pytest.mark.usefixtures("no_temporary_files")
def test_page_with_the_largest_pictures_stays_in_memory(port: int) -> None:
    response = post(port, *LARGEST_FORM, accept="text/html")
    assert response.status == 200
    assert len(response.data) > 4 / 3 * MAX_FORM_BYTES


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("raw", [False, True])
def test_larger_upload_is_read_to_its_end_and_then_refused(
    port: int, torchserve: FakeTorchServe, *, chunked: bool, raw: bool
) -> None:
    for factor, type_name in (
        (1.01, "UploadTooLargeError"),
        (2.4, "UploadTooLargeError"),
        (2.6, "UploadsTooLargeError"),
        (20, "UploadsTooLargeError"),
    ):
        content = bytes(int(MAX_UPLOAD_BYTES * factor))
        response = post(port, content, chunked=chunked, raw=raw)
        assert response.status == 413
        assert response.json()["type"] == type_name
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


@pytest.mark.parametrize("gap", [b"", b" ", b" " * 20, b"\r\n\t"])
def test_unusual_requests_are_answered(port: int, gap: bytes) -> None:
    for address in (b"/healthz", b"http://a/healthz", b"http://a:1/healthz"):
        request = b"GET " + address + b" HTTP/1.1\r\nHost:" + gap + b"a\r\n\r\n"
        assert send_raw(port, request) == b"HTTP/1.1 200 OK"


def test_answers_do_not_name_the_server(port: int) -> None:
    assert "Server" not in post(port, b"").headers


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
