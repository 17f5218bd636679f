"""Attacks on the page from one address, and how long visitors of another wait meanwhile."""

import math
import resource
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import urllib3
from PIL import Image

from benchmarks.common.pictures import encode, small_picture
from benchmarks.common.server import BYTES, OK

ATTACKER, VISITOR = "127.0.0.2", "127.0.0.1"
VISITS, PAUSE_SECONDS = 100, 0.2
# Numbers of connections that send nothing, and of those that send a byte at each visit.
IDLE, SLOW = 1000, 200
ANSWER_SECONDS = 10
HEADERS = {**BYTES, "Accept": "application/json"}


def send_heavy_pictures(web_ui: str) -> list[float]:
    """Send files of 38 bytes with 64 million pixels, five a second, as the rate limit allows.

    Returns:
        The sorted seconds in which ordinary pictures of a visitor are answered.
    """
    picture = Image.new("RGB", (8000, 8000), (90, 120, 30))
    heavy = encode(picture, "WEBP", lossless=True, method=0)

    def attack() -> None:
        for _ in range(VISITS):
            clients.submit(_ask, f"{web_ui}predict", ATTACKER, heavy)
            time.sleep(PAUSE_SECONDS)

    with ThreadPoolExecutor(VISITS) as clients:
        clients.submit(attack)
        return _visit(lambda: _ask(f"{web_ui}predict", VISITOR, small_picture()))


def hold_connections(web_ui: str) -> list[float]:
    """Hold connections that send nothing, and others that send a request byte by byte.

    Returns:
        The sorted seconds in which a new visitor gets the page and the answer of a probe.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    address = urlsplit(web_ui)
    page = address.hostname, address.port
    with ExitStack() as opened:
        held: list[socket.socket] = []
        # A server that takes no more is as full as it gets.
        with suppress(OSError):
            while len(held) < IDLE + SLOW:
                connection = socket.create_connection(page, 1, source_address=(ATTACKER, 0))
                held.append(opened.enter_context(connection))

        def ask() -> float:
            for slow in held[:SLOW]:
                with suppress(OSError):
                    slow.sendall(b"G")
            return max(_ask(web_ui, VISITOR), _ask(f"{web_ui}healthz", VISITOR))

        return _visit(ask)


def _visit(ask: Callable[[], float]) -> list[float]:
    times: list[float] = []
    # More than one that is not answered decides it.
    while len(times) < VISITS and times.count(math.inf) < 2:  # noqa: PLR2004
        times.append(ask())
        time.sleep(max(0, PAUSE_SECONDS - times[-1]))
    return sorted(times)


def _ask(url: str, source: str, picture: bytes | None = None) -> float:
    """Return the seconds until an answer on a new connection; infinity for none or an error."""
    started = time.monotonic()
    pool = urllib3.PoolManager(
        source_address=(source, 0), timeout=ANSWER_SECONDS, retries=False, headers=HEADERS
    )
    with pool, suppress(urllib3.exceptions.HTTPError):
        if pool.request("POST" if picture else "GET", url, body=picture).status == OK:
            return time.monotonic() - started
    return math.inf
