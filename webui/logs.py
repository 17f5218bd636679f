"""The log of the web UI: with the id of each request, and short where much is refused."""

import logging
import re
import uuid
from collections import Counter

from flask import Response, g, has_request_context, request

REQUEST_ID = "X-Request-Id"
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
FORMAT = "%(asctime)s %(levelname)s [%(request_id)s] %(message)s"
# Seconds between two lines about refusals of one kind.
PAUSE_SECONDS = 60


def log_to_stderr() -> None:
    """Write what is logged to stderr, which ``serve.py`` keeps in a file of limited size."""
    handler = logging.StreamHandler()
    handler.addFilter(RequestFilter())
    logging.basicConfig(level=logging.INFO, format=FORMAT, handlers=[handler])
    # It warns about every request that waits for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


class RequestFilter(logging.Filter):
    """Adds the request's id to each record, and drops all but one a minute of a ``kind``."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}
        self._dropped = Counter[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write ``record``."""
        record.request_id = g.get("request_id", "-") if has_request_context() else "-"
        if kind := getattr(record, "kind", None):
            if record.created < self._last.get(kind, 0) + PAUSE_SECONDS:
                self._dropped[kind] += 1
                return False
            self._last[kind] = record.created
            if dropped := self._dropped.pop(kind, 0):
                record.msg += f" ({dropped} more since the last line)"
        return True


def identify_request() -> None:
    """Give the current request an id: the one that it brings, or else a new one."""
    brought = request.headers.get(REQUEST_ID, "")
    g.request_id = brought if SANE_ID.fullmatch(brought) else uuid.uuid4().hex


def add_request_id(response: Response) -> Response:
    """Return ``response`` with the id of the request."""
    response.headers[REQUEST_ID] = g.request_id
    return response
