"""The log of the web UI: with the id of each request, and short where much is refused."""

import json
import logging
import re
import uuid
from collections import Counter
from datetime import UTC, datetime

from flask import Response, g, has_request_context, request

from webui.settings import JSON

REQUEST_ID = "X-Request-Id"
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
FORMAT = "%(asctime)s %(levelname)s [%(request_id)s] %(message)s"
# Seconds between two lines about refusals of one kind.
PAUSE_SECONDS = 60


class JsonFormatter(logging.Formatter):
    """Writes each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of ``record``."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage().strip(),
        }
        if request_id := getattr(record, "request_id", None):
            line["request_id"] = request_id
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def create_formatter(log_format: str, text_format: str) -> logging.Formatter:
    """Return what writes records as JSON or as text, as ``LOG_FORMAT`` says."""
    return JsonFormatter() if log_format == JSON else logging.Formatter(text_format)


def log_to_stderr(log_format: str) -> None:
    """Write what is logged to stderr, which ``serve.py`` keeps in a file of limited size."""
    handler = logging.StreamHandler()
    handler.addFilter(RequestFilter())
    handler.setFormatter(create_formatter(log_format, FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
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
