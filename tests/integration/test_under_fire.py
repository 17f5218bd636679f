"""What must not bring it down: damaged pictures, slow clients, dead workers, a full queue."""

import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psutil
import pytest
import urllib3
from PIL import Image

from model.classifier import Classifier
from tests.conftest import SHIPPED_ARCHIVE, encode
from tests.fuzz.samples import make_samples
from tests.serving import Server

RED = encode(Image.new("RGB", (32, 32), "red"))
# A twentieth of a second of a worker's time, in 8 kB.
HEAVY = encode(Image.new("P", (5000, 5000)))
PARALLEL = 200
RECOVERY_SECONDS = 60
LOAD_THREADS = 4


@pytest.fixture
def steady(server: Server, http: urllib3.PoolManager) -> Iterator[None]:
    """The workers after the test are those before it, and they answer."""
    workers = server.worker_pids(http)
    expected = Classifier.load(SHIPPED_ARCHIVE).classify(RED)["label"]
    yield
    assert server.worker_pids(http) == workers
    for _ in range(4):
        assert server.predict(http, RED).json()["label"] == expected


def assert_answered(response: urllib3.BaseHTTPResponse) -> None:
    assert response.status < 500, response.data
    assert response.headers["content-type"] == "application/json"
    if response.status != 200:
        assert set(response.json()) == {"code", "type", "message"}


def send_all(server: Server, http: urllib3.PoolManager, bodies: Sequence[bytes]) -> None:
    with ThreadPoolExecutor(8) as pool:
        for response in pool.map(lambda body: server.predict(http, body), bodies):
            assert_answered(response)


@pytest.mark.usefixtures("steady")
def test_pictures_of_every_format_truncated_anywhere(
    server: Server, http: urllib3.PoolManager
) -> None:
    bodies = [
        picture[: len(picture) * part // 25]
        for picture in make_samples().values()
        for part in range(25)
    ]
    send_all(server, http, bodies)


@pytest.mark.usefixtures("steady")
def test_pictures_of_every_format_with_changed_bytes(
    server: Server, http: urllib3.PoolManager
) -> None:
    chance = random.Random(0)  # noqa: S311 - no secret
    bodies = []
    for picture in make_samples().values():
        for _ in range(25):
            changed = bytearray(picture)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            bodies.append(bytes(changed))
    send_all(server, http, bodies)


@pytest.mark.usefixtures("steady")
def test_noise_of_all_sizes(server: Server, http: urllib3.PoolManager) -> None:
    chance = random.Random(0)  # noqa: S311 - no secret
    large = chance.randbytes(10_000_000)
    headers = [picture[:32] + large for picture in make_samples().values()][::4]
    send_all(server, http, [b"", b"\0", b"\n", large, *headers])


def head(server: Server, length: int, *more: str) -> bytes:
    lines = [
        "POST /predictions/cifar10 HTTP/1.1",
        "Host: localhost",
        *(f"{name}: {value}" for name, value in server.authorization().items()),
        f"Content-Length: {length}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@contextmanager
def connection(server: Server) -> Iterator[socket.socket]:
    address = "127.0.0.1", server.settings.torchserve_inference_port
    with socket.create_connection(address, timeout=60) as opened:
        yield opened


@pytest.mark.usefixtures("steady")
def test_a_request_that_comes_byte_by_byte_is_answered_and_holds_up_nobody(
    server: Server, http: urllib3.PoolManager
) -> None:
    with connection(server) as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head(server, len(RED)) + RED[:-1]:
            slow.sendall(bytes([byte]))
        send_all(server, http, [RED] * 20)
        slow.sendall(RED[-1:])
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.usefixtures("steady")
def test_clients_that_stop_in_the_middle_hold_up_nobody(
    server: Server, http: urllib3.PoolManager
) -> None:
    whole = head(server, len(RED)) + RED
    for sent in range(0, len(whole), 7):
        with connection(server) as broken:
            broken.sendall(whole[:sent])
    with connection(server) as silent:
        silent.sendall(whole[:-1])
        send_all(server, http, [RED] * 20)


@pytest.mark.usefixtures("steady")
def test_clients_that_leave_before_the_answer_hold_up_nobody(
    server: Server, http: urllib3.PoolManager
) -> None:
    whole = head(server, len(HEAVY)) + HEAVY
    for _ in range(20):
        with connection(server) as gone:
            gone.sendall(whole)
    send_all(server, http, [RED] * 20)


@pytest.mark.usefixtures("steady")
def test_a_half_closed_connection_gets_its_answer_or_none(server: Server) -> None:
    for sent in (RED, RED[: len(RED) // 2]):
        with connection(server) as half:
            half.sendall(head(server, len(RED)) + sent)
            half.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionError):
                answer = half.recv(1000)
        assert answer == b"" or answer[9:10] in b"24", answer


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: abc\r\n\r\n",
        b"Content-Length: 99999999999\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"X\xff: y\r\n\r\n",
        b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"Expect: something\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_http_that_is_none_is_the_clients_fault(server: Server, framing: bytes) -> None:
    with connection(server) as broken:
        lines = head(server, 0).split(b"\r\n")[:3]
        with suppress(ConnectionError):
            broken.sendall(b"\r\n".join([*lines, framing]))
        answer = broken.recv(1000)
    assert answer.startswith(b"HTTP/1.1 4"), answer


@contextmanager
def load(server: Server, http: urllib3.PoolManager) -> Iterator[list[tuple[float, int, str]]]:
    """Send pictures all the time; gives when each answer came, its status and its label or type."""
    seen: list[tuple[float, int, str]] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            response = server.predict(http, RED)
            answer = response.json()
            label = answer["label"] if response.status == 200 else answer["type"]
            seen.append((time.monotonic(), response.status, label))

    with ThreadPoolExecutor(LOAD_THREADS) as pool:
        sending = [pool.submit(send) for _ in range(LOAD_THREADS)]
        try:
            yield seen
        finally:
            stop.set()
        for each in sending:
            each.result()


def wait_for_workers(
    server: Server, http: urllib3.PoolManager, gone: Sequence[int], number: int
) -> list[int]:
    """Wait until there are as many READY workers, none of them one that is gone."""
    url = f"{server.settings.management_url}/models/cifar10"
    deadline = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < deadline:
        response = http.request("GET", url, headers=server.authorization("management"))
        workers = response.json()[0]["workers"]
        ready = [each["pid"] for each in workers if each["status"] == "READY"]
        if len(ready) == number and not set(ready) & set(gone):
            return ready
        time.sleep(0.1)
    raise AssertionError(f"{gone} are not replaced after {RECOVERY_SECONDS} s: {workers}")


@pytest.mark.parametrize("which", [slice(0, 1), slice(0, None)], ids=["one", "all"])
def test_killed_workers_are_replaced_and_nobody_gets_a_wrong_answer(
    server: Server, http: urllib3.PoolManager, which: slice
) -> None:
    workers = server.worker_pids(http)
    victims = workers[which]
    expected = Classifier.load(SHIPPED_ARCHIVE).classify(RED)["label"]
    with load(server, http) as seen:
        time.sleep(1)
        killed = time.monotonic()
        for pid in victims:
            psutil.Process(pid).kill()
        replaced = wait_for_workers(server, http, victims, len(workers))
        back = time.monotonic()
        time.sleep(2)
    assert set(replaced) - set(workers)
    assert {label for _, status, label in seen if status == 200} == {expected}
    errors = [(when, status, label) for when, status, label in seen if status != 200]
    # What a worker was at work on is lost with it ("Worker died"); what waits is not.
    assert {(status, kind) for _, status, kind in errors} <= {
        (500, "InternalServerException"),
        (507, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    }
    assert all(killed <= when <= back + 1 for when, _, _ in errors), errors
    assert [status for when, status, _ in seen if when > back + 1]


@pytest.mark.usefixtures("steady")
def test_many_people_with_full_forms_are_all_answered(
    server: Server, http: urllib3.PoolManager
) -> None:
    form = [("image", ("red.png", RED))] * server.settings.max_pictures
    headers = {"Accept": "application/json"}

    def post(_number: int) -> urllib3.BaseHTTPResponse:
        url = f"{server.web_ui}/predict"
        return http.request("POST", url, fields=form, headers=headers)

    expected = Classifier.load(SHIPPED_ARCHIVE).classify(RED)["label"]
    with ThreadPoolExecutor(16) as pool:
        for response in pool.map(post, range(48)):
            assert response.status == 200, response.data
            labels = [answer["label"] for answer in response.json()["predictions"]]
            assert labels == [expected] * len(form)


def test_a_full_queue_is_a_503_in_the_error_shape_and_passes(
    server: Server, http: urllib3.PoolManager
) -> None:
    workers = server.worker_pids(http)
    with ThreadPoolExecutor(PARALLEL) as pool:
        responses = list(pool.map(lambda _: server.predict(http, HEAVY), range(PARALLEL)))
    answered = [response for response in responses if response.status == 200]
    refused = [response for response in responses if response.status != 200]
    assert answered
    assert refused
    for response in refused:
        document = response.json()
        assert response.status == 503
        assert set(document) == {"code", "type", "message"}
        assert (document["code"], document["type"]) == (503, "ServiceUnavailableException")
    assert {response.json()["image"]["width"] for response in answered} == {5000}
    assert server.predict(http, RED).status == 200
    assert server.worker_pids(http) == workers
