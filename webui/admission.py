"""Who may send pictures when: a budget of work for each address, and a bounded number at once."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NoReturn

from flask import Flask
from flask_limiter import Limiter, RequestLimit
from flask_limiter.util import get_remote_address
from limits import parse_many

from webui.errors import RateLimitError, StoppingError, TooManyPicturesError
from webui.settings import UNLIMITED
from webui.torchserve.errors import OverloadedError
from webui.uploads import Upload, read_uploads

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

    Everything is refused with ``OverloadedError``, or with ``StoppingError`` once ``is_stopping``.

    Args:
        per_address: Whether the bounds for one address hold.
        patience: Seconds that a request waits for its turn.
    """

    def __init__(self, *, per_address: bool, patience: float) -> None:
        self.is_stopping = False
        self._per_address = per_address
        self._patience = patience
        self._accepted, self._running, self._heavy, self._probes = (
            Counter[str]() for _ in range(4)
        )
        self._changed = threading.Condition()

    def probe(self) -> AbstractContextManager[None]:
        """Return what counts a probe of TorchServe: where that hangs, many would block files."""
        self._require_open()
        return self._counted(self._probes, "", MOST_PROBES, 0)

    @contextmanager
    def turn(self, address: str) -> Iterator[None]:
        """Wait until a request of ``address`` may run."""
        self._require_open()
        with (
            self._counted(self._accepted, address, MOST_ACCEPTED, 0),
            self._counted(self._running, address, MOST_RUNNING, self._patience),
        ):
            yield

    def sending(self, upload: Upload) -> AbstractContextManager[None]:
        """Return what waits until a picture may go to TorchServe."""
        if upload.work < HEAVY_WORK:
            return nullcontext()
        return self._counted(self._heavy, "", (1, 1), self._patience)

    def _require_open(self) -> None:
        if self.is_stopping:
            raise StoppingError

    @contextmanager
    def _counted(
        self, counts: Counter[str], key: str, most: tuple[int, int], patience: float
    ) -> Iterator[None]:
        of_all, of_one = most if self._per_address else most[:1] * 2
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


def limit_load(app: Flask, rate: str, patience: float, *endpoints: str) -> None:
    """Limit the work that views together accept from each address, and how much is done at once.

    Args:
        app: The application that has the views; it gets an :class:`Admission` as an extension.
        rate: The limit in units of work, such as ``5 per second``, which is counted in the memory
            of this process; ``unlimited`` lifts the other bounds for one address, too.
        patience: Seconds that a request waits for its turn.
        endpoints: Names of the views.
    """
    admission = Admission(per_address=rate != UNLIMITED, patience=patience)
    app.extensions["admission"] = admission
    views = {endpoint: app.view_functions[endpoint] for endpoint in endpoints}
    if rate != UNLIMITED:
        most = min(limit.amount for limit in parse_many(rate))
        limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")
        limit: Any = limiter.shared_limit(rate, "work", cost=lambda: _cost(most), on_breach=_refuse)
        views = {endpoint: limit(view) for endpoint, view in views.items()}
    app.view_functions |= {endpoint: _admit(admission, view) for endpoint, view in views.items()}


def _admit(admission: Admission, view: Callable[..., Any]) -> Callable[..., Any]:
    def admit(**values: str) -> Any:  # noqa: ANN401
        with admission.turn(get_remote_address()):
            return view(**values)

    return admit


def _cost(most: int) -> int:
    uploads = read_uploads()
    # A form that may be sent at all is never too much for an address that has sent nothing else.
    return max(len(uploads), min(most, sum(upload.work for upload in uploads)))


def _refuse(limit: RequestLimit) -> NoReturn:
    most = limit.limit.amount
    if len(read_uploads()) > most:
        # Waiting would not help.
        raise TooManyPicturesError(max_pictures=most)
    seconds = max(1, math.ceil(limit.window.reset_time - time.time()))
    raise RateLimitError(retry_after_seconds=seconds)
