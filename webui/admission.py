"""Who may send pictures when: a budget of work for each address, and a bounded number at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import ceil

from flask import request
from limits import parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from webui.errors import RateLimitError, StoppingError, TooManyPicturesError
from webui.pictures.uploads import Upload
from webui.settings import UNLIMITED
from webui.torchserve.errors import OverloadedError

# Requests with pictures that are accepted, those that wait included, of all addresses and of one.
MOST_ACCEPTED = (64, 32)
# Requests among these that run, and have their pictures in memory.
MOST_RUNNING = (8, 4)
# Probes that ask TorchServe at a time.
MOST_PROBES = (8, 8)
# Work from which pictures go to TorchServe one at a time, so that it has a worker for the others.
HEAVY_WORK = 8


class Admission:
    """Decides which requests with pictures run, which wait and which are refused.

    What does not fit is refused with ``OverloadedError``, or with ``StoppingError`` once
    ``stopping`` is set.

    Args:
        rate: Work that is accepted from one address, such as ``5 per second``, counted in memory;
            ``unlimited`` lifts the other bounds for one address, too.
        patience: Seconds that a request waits for its turn.
    """

    def __init__(self, rate: str, patience: float) -> None:
        self.stopping = threading.Event()
        self._limits = [] if rate == UNLIMITED else parse_many(rate)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._patience = patience
        self._accepted, self._running, self._heavy, self._probes = (
            Counter[str]() for _ in range(4)
        )
        self._changed = threading.Condition()

    @property
    def running(self) -> int:
        """Number of requests with pictures that run."""
        return self._running.total()

    @property
    def waiting(self) -> int:
        """Number of requests with pictures that wait for their turn."""
        return self._accepted.total() - self._running.total()

    def probe(self) -> AbstractContextManager[None]:
        """Return what counts a probe of TorchServe: where that hangs, many would block files."""
        self._require_open()
        return self._counted(self._probes, "", MOST_PROBES, 0)

    @contextmanager
    def turn(self, read: Callable[[], list[Upload]]) -> Iterator[list[Upload]]:
        """Wait until the current request may run, and give the pictures that ``read`` finds."""
        self._require_open()
        address = request.remote_addr or ""
        with (
            self._counted(self._accepted, address, MOST_ACCEPTED, 0),
            self._counted(self._running, address, MOST_RUNNING, self._patience),
        ):
            uploads = read()
            if self._limits:
                self._charge(address, uploads)
            yield uploads

    def sending(self, upload: Upload) -> AbstractContextManager[None]:
        """Return what waits until a picture may go to TorchServe."""
        if upload.work < HEAVY_WORK:
            return nullcontext()
        return self._counted(self._heavy, "", (1, 1), self._patience)

    def _require_open(self) -> None:
        if self.stopping.is_set():
            raise StoppingError

    def _charge(self, address: str, uploads: list[Upload]) -> None:
        most = min(limit.amount for limit in self._limits)
        if len(uploads) > most:
            # Waiting would not help.
            raise TooManyPicturesError(max_pictures=most)
        # A form that may be sent at all is never too much for an address that sent nothing else.
        work = max(len(uploads), min(most, sum(upload.work for upload in uploads)))
        for limit in self._limits:
            if not self._limiter.hit(limit, address, cost=work):
                reset = self._limiter.get_window_stats(limit, address).reset_time
                raise RateLimitError(retry_after_seconds=max(1, ceil(reset - time.time())))

    @contextmanager
    def _counted(
        self, counts: Counter[str], key: str, most: tuple[int, int], patience: float
    ) -> Iterator[None]:
        of_all, of_one = most if self._limits else most[:1] * 2
        with self._changed:
            if not self._changed.wait_for(
                lambda: counts.total() < of_all and counts[key] < of_one, patience
            ):
                raise OverloadedError
            counts[key] += 1
        try:
            yield
        finally:
            with self._changed:
                counts[key] -= 1
                # Addresses that have nothing under way are forgotten.
                if not counts[key]:
                    del counts[key]
                self._changed.notify_all()
