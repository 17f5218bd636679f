"""What must not bring it down: damaged pictures, slow clients, dead workers, a full queue."""

import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
import urllib3
from PIL import Image

from model.inference.classifier import Classifier
from tests.helpers.pictures import RED, SHIPPED_ARCHIVE, encode
from tests.helpers.samples import make_samples
from tests.helpers.server import Server
from tests.helpers.waiting import wait_until

# Picture that takes a fortieth of a second of a worker's time, in 4 kB.
HEAVY = encode(Image.new("P", (3500, 3500)))
PARALLEL = 200
LOAD_THREADS = 4


@pytest.fixture
def steady(server: Server) -> Iterator[None]:
    """The workers after the test are those before it, and they answer."""
    workers = server.worker_pids()
    expected = Classifier.load(SHIPPED_ARCHIVE).classify(RED)["label"]
    yield
    assert server.worker_pids() == workers
    for _ in range(4):
        assert server.predict(RED).json()["label"] == expected


def assert_answered(response: urllib3.BaseHTTPResponse) -> None:
    assert response.status < 500, response.data
    assert response.headers["content-type"] == "application/json"
    if response.status != 200:
        assert set(response.json()) == {"code", "type", "message"}


def send_all(server: Server, bodies: Sequence[bytes]) -> None:
    with ThreadPoolExecutor(8) as pool:
        for response in pool.map(server.predict, bodies):
            assert_answered(response)


@pytest.mark.usefixtures("steady")
def test_damaged_pictures_of_every_format_and_noise(server: Server) -> None:
    """What each damage leads to is tested without a server; here, that the workers stand it."""
    chance = random.Random(0)  # noqa: S311 - no secret
    large = chance.randbytes(10_000_000)
    bodies = [b"", b"\0", b"\n", large]
    for number, picture in enumerate(make_samples().values()):
        bodies += [picture[: len(picture) * part // 4] for part in range(1, 4)]
        for _ in range(3):
            changed = bytearray(picture)
            changed[chance.randrange(len(changed))] = chance.randrange(256)
            bodies.append(bytes(changed))
        if number % 8 == 0:
            bodies.append(picture[:32] + large)
    send_all(server, bodies)


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
def test_a_request_that_comes_byte_by_byte_is_answered_and_holds_up_nobody(server: Server) -> None:
    with connection(server) as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head(server, len(RED)) + RED[:-1]:
            slow.sendall(bytes([byte]))
        send_all(server, [RED] * 20)
        slow.sendall(RED[-1:])
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.usefixtures("steady")
def test_clients_that_stop_in_the_middle_hold_up_nobody(server: Server) -> None:
    whole = head(server, len(RED)) + RED
    for sent in range(0, len(whole), 7):
        with connection(server) as broken:
            broken.sendall(whole[:sent])
    with connection(server) as silent:
        silent.sendall(whole[:-1])
        send_all(server, [RED] * 20)


@pytest.mark.usefixtures("steady")
def test_clients_that_leave_before_the_answer_hold_up_nobody(server: Server) -> None:
    whole = head(server, len(HEAVY)) + HEAVY
    for _ in range(20):
        with connection(server) as gone:
            gone.sendall(whole)
    send_all(server, [RED] * 20)


@contextmanager
def load(server: Server) -> Iterator[list[tuple[float, int, str]]]:
    """Send pictures all the time; gives when each answer came, its status and its label or type."""
    seen: list[tuple[float, int, str]] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            response = server.predict(RED)
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


def wait_for_others(server: Server, workers: Sequence[int]) -> None:
    """Wait until as many others are ready in the place of ``workers``."""

    def are_ready() -> bool:
        ready = server.worker_pids("READY")
        return len(ready) == len(workers) and not set(ready) & set(workers)

    wait_until(are_ready, pause=0.1)


def test_killed_workers_are_replaced_and_nobody_gets_a_wrong_answer(server: Server) -> None:
    workers = server.worker_pids()
    expected = Classifier.load(SHIPPED_ARCHIVE).classify(RED)["label"]
    with load(server) as seen:
        time.sleep(0.5)
        killed = time.monotonic()
        for pid in workers:
            psutil.Process(pid).kill()
        wait_for_others(server, workers)
        back = time.monotonic()
        time.sleep(1.5)
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
def test_many_people_with_full_forms_are_all_answered(server: Server) -> None:
    form = [RED] * server.settings.max_pictures
    expected = Classifier.load(SHIPPED_ARCHIVE).classify(RED)["label"]
    with ThreadPoolExecutor(16) as pool:
        for response in pool.map(lambda _: server.ask_page(*form), range(48)):
            assert response.status == 200, response.data
            labels = [answer["label"] for answer in response.json()["predictions"]]
            assert labels == [expected] * len(form)


def test_a_full_queue_is_a_503_in_the_error_shape_and_passes(server: Server) -> None:
    workers = server.worker_pids()
    with ThreadPoolExecutor(PARALLEL) as pool:
        responses = list(pool.map(lambda _: server.predict(HEAVY), range(PARALLEL)))
    answered = [response for response in responses if response.status == 200]
    refused = [response for response in responses if response.status != 200]
    assert answered
    assert refused
    for response in refused:
        document = response.json()
        assert response.status == 503
        assert set(document) == {"code", "type", "message"}
        assert (document["code"], document["type"]) == (503, "ServiceUnavailableException")
    assert {response.json()["image"]["width"] for response in answered} == {3500}
    assert server.predict(RED).status == 200
    assert server.worker_pids() == workers
