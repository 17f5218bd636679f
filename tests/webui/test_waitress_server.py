"""No connection holds the others up, and what was accepted is answered."""

import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import pytest
import urllib3

from tests.helpers.fake_torchserve import FakeTorchServe, Held
from tests.helpers.running_app import running_app
from tests.helpers.sending import PNG, part
from tests.helpers.waiting import wait_until
from tests.webui.conftest import MAX_FORM_BYTES, MAX_UPLOAD_BYTES
from webui import create_app
from webui.admission import MOST_ACCEPTED, MOST_PROBES, MOST_RUNNING
from webui.pictures.uploads import FORM_OVERHEAD_BYTES
from webui.settings import Settings
from webui.torchserve.client import PIXEL
from webui.waitress_server import MAX_BYTES_IN_MEMORY, MOST_WITHOUT_DISK, Body

LARGEST_FORM = [bytes([index]) * (MAX_FORM_BYTES // 5) for index in range(5)]


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
    data = pieces if chunked else body
    return urllib3.request("POST", url, body=data, headers=headers, timeout=30)


@pytest.mark.parametrize("chunked", [False, True])
def test_uploads_of_the_largest_size_arrive(
    port: int, torchserve: FakeTorchServe, *, chunked: bool
) -> None:
    largest = os.urandom(MAX_UPLOAD_BYTES)
    for contents, raw in (([largest], False), ([largest], True), (LARGEST_FORM, False)):
        torchserve.images.clear()
        response = post(port, *contents, chunked=chunked, raw=raw)
        assert response.status == 200
        assert sorted(torchserve.images) == contents


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("raw", [False, True])
def test_larger_upload_is_refused_in_the_usual_shape(
    port: int, torchserve: FakeTorchServe, *, chunked: bool, raw: bool
) -> None:
    for factor, type_name in (
        (1.01, "UploadTooLargeError"),
        (2.4, "UploadTooLargeError"),
        (2.6, "UploadsTooLargeError"),
        (4.8, "UploadsTooLargeError"),
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


def test_an_answer_leaves_in_one_piece(port: int) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert body


def test_answers_do_not_name_the_server(port: int) -> None:
    assert "Server" not in post(port, b"").headers


def test_an_endless_upload_is_refused_before_it_ends(port: int) -> None:
    header = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
    for length in (b"Content-Length: 99999999999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(header + length)
            if b"chunked" in length:
                connection.sendall(b"%X\r\n" % (6 * MAX_FORM_BYTES))
                # As much as is read.
                connection.sendall(bytes(2 * (MAX_FORM_BYTES + FORM_OVERHEAD_BYTES)))
            answer = connection.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b'"type":"UploadsTooLargeError"' in answer


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file can become larger than half of what a body's file begins with, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BYTES_IN_MEMORY // 2, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_stays_in_memory_while_the_disk_is_full(
    port: int, torchserve: FakeTorchServe, *, chunked: bool
) -> None:
    largest = os.urandom(MAX_UPLOAD_BYTES)
    assert post(port, largest, chunked=chunked, raw=True).status == 200
    assert torchserve.images == [largest]


@pytest.mark.usefixtures("full_disk")
def test_few_uploads_are_in_memory_while_the_disk_is_full(port: int) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
    with ExitStack() as opened:
        for _ in range(MOST_WITHOUT_DISK):
            held = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            held.sendall(head + bytes(100_000))
        wait_until(lambda: len(Body.without_disk) == MOST_WITHOUT_DISK)
        with pytest.raises(urllib3.exceptions.HTTPError):
            post(port, bytes(100_000), raw=True)
    wait_until(lambda: not Body.without_disk)
    assert post(port, bytes(100_000), raw=True).status == 200


def test_a_request_that_takes_too_long_to_arrive_ends(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.waitress_server.MAX_REQUEST_SECONDS", 0.5)
    starts = [b"GET / HT", b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"]
    for start in starts:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(start)
            # That it goes on does not help.
            with pytest.raises(ConnectionError):  # noqa: PT012
                for _ in range(40):
                    time.sleep(0.1)
                    connection.sendall(b"x")


def test_waiting_pictures_and_idle_connections_hold_up_nobody(
    settings: Settings, torchserve: FakeTorchServe
) -> None:
    app = create_app(replace(settings, rate_limit="unlimited"))
    held = torchserve.answers_to[PNG] = torchserve.answers_to[PIXEL] = Held()
    with running_app(app) as port, ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        pool = stack.enter_context(ThreadPoolExecutor(MOST_ACCEPTED[0] + 50))
        futures = [pool.submit(post, port, PNG) for _ in range(MOST_ACCEPTED[0] + 10)]
        wait_until(lambda: len(torchserve.images) == MOST_RUNNING[0])
        ready = f"http://127.0.0.1:{port}/readyz"
        ask = partial(urllib3.request, "GET", ready, retries=False, timeout=30)
        probes = [pool.submit(ask) for _ in range(40)]
        for path in ("/healthz", "/static/styles/base.css"):
            started = time.monotonic()
            assert urllib3.request("GET", f"http://127.0.0.1:{port}{path}").status == 200
            assert time.monotonic() - started < 5
        wait_until(lambda: sum(future.done() for future in futures) == 10)
        wait_until(lambda: sum(probe.done() for probe in probes) == 40 - MOST_PROBES[0])
        held.released.set()
        answers = [future.result() for future in futures]
        assert Counter(probe.result().status for probe in probes)[200] == MOST_PROBES[0]
    assert Counter(each.status for each in answers) == {200: MOST_ACCEPTED[0], 503: 10}
    for response in answers:
        if response.status == 503:
            assert response.json()["type"] == "OverloadedError"
            assert response.headers["Retry-After"] == "1"
