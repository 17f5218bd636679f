"""Clients that send one picture again and again, and what came back."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import urllib3

ANSWER_SECONDS = 60


class Answer(NamedTuple):
    """What a request got: when it was sent, in how many seconds, and from which version.

    ``version`` says what was wrong if there was no answer.
    """

    sent: float
    seconds: float
    version: str


class Load:
    """Clients, each with one connection, from entering the context to its end.

    Args:
        targets: For each client, the address that it sends to, and its headers.
        picture: The picture that they send.

    Attributes:
        answers: What they got.
    """

    def __init__(self, targets: Sequence[tuple[str, Mapping[str, str]]], picture: bytes) -> None:
        self.answers: list[Answer] = []
        self._picture = picture
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=target) for target in targets]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def between(self, begin: float, end: float) -> list[Answer]:
        """Return the answers to what was sent in a time, which has the clock's ``monotonic``."""
        return [answer for answer in self.answers if begin <= answer.sent < end]

    def _send(self, url: str, headers: Mapping[str, str]) -> None:
        # A request that fails is not sent again.
        pool = urllib3.PoolManager(retries=False, timeout=ANSWER_SECONDS, headers=headers)
        while not self._done.is_set():
            sent = time.monotonic()
            try:
                answer = pool.request("POST", url, body=self._picture).json()
                version = str(answer["model"]["version"])
            except (urllib3.exceptions.HTTPError, KeyError, ValueError) as error:
                version = f"none ({error!r})"
            self.answers.append(Answer(sent, time.monotonic() - sent, version))
