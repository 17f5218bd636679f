"""The waitress server, set up so that no upload ever reaches the disk."""

import re
import socket
from io import BytesIO
from typing import Any

import waitress  # type: ignore[import-untyped]
from flask import Flask
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import (  # type: ignore[import-untyped]
    HTTPRequestParser,
    ParsingError,
    RequestHeaderFieldsTooLarge,
)

THREADS = 8
# Of a connection, before it makes room for another one; waitress takes a hundred.
IDLE_SECONDS = 30
# Base64 makes the picture on the result page a third larger than the upload.
PAGE_BYTES_PER_UPLOAD_BYTE = 2
# Waitress's own patterns take a time that grows with the square of what these refuse, and nobody
# else is served meanwhile: one request of 200 kB would hold everything up for minutes.
REQUEST_LINE = re.compile(rb"[^ ]+ [^ ]+(?: HTTP/[0-9]\.[0-9])?")
LONG_GAP = re.compile(rb"[ \t\r\n]{64}")
# Of the line before a piece of a body that comes in pieces, and of what follows the last one.
MOST_CHUNK_LINE_BYTES = 1024
MOST_TRAILER_BYTES = 16_384


class BoundedBuffer:
    """Holds a request body in memory up to `limit` bytes, and of a larger one only the length.

    Reading on and forgetting lets the browser finish sending, so that it shows the page that says
    "too large"; were the connection closed at once, it would show a network error.
    """

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self._limit = limit
        self._length = 0
        self._body = BytesIO()

    def __len__(self) -> int:
        """Return how many bytes were received, kept or not."""
        return self._length

    def append(self, data: bytes) -> None:
        """Take the next piece of the body."""
        self._length += len(data)
        if self._length > self._limit:
            self._body = BytesIO()
        else:
            self._body.write(data)

    def getfile(self) -> BytesIO:
        """Return the body from its beginning; it is empty when it was too large to keep."""
        self._body.seek(0)
        return self._body

    def close(self) -> None:
        """Free the memory."""
        self._body.close()


class InMemoryParser(HTTPRequestParser):  # type: ignore[misc]
    """Reads a request without waitress's temporary files, and none that would hold others up."""

    completed: bool

    def received(self, data: bytes) -> int:
        """Read on in the request and return how many bytes of `data` belong to it."""
        consumed: int = super().received(data)
        if self.chunked and not self.completed and self._has_endless_line():
            self.error = RequestHeaderFieldsTooLarge("exceeds what may stand between chunks")
            self.completed = True
        return consumed

    def _has_endless_line(self) -> bool:
        # Waitress joins each with all that came before, without a limit.
        body = self.body_rcv
        return (
            len(body.control_line) > MOST_CHUNK_LINE_BYTES or len(body.trailer) > MOST_TRAILER_BYTES
        )

    def parse_header(self, header_plus: bytes) -> None:
        """Read the header, then put a buffer in memory where the body will go.

        Raises ParsingError for what is no request, which is answered with 400.
        """
        request_line = header_plus.partition(b"\r\n")[0].rstrip()
        if not REQUEST_LINE.fullmatch(request_line) or LONG_GAP.search(header_plus):
            message = "Start line is invalid, or a gap too long"
            raise ParsingError(message)
        super().parse_header(header_plus)
        if self.body_rcv is not None:
            self.body_rcv.buf = BoundedBuffer(self.adj.inbuf_overflow)


class InMemoryChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that reads its requests with `InMemoryParser`."""

    parser_class = InMemoryParser


def create_server(app: Flask, host: str, port: int) -> Any:  # noqa: ANN401
    """Return a waitress server for `app` that listens on `host` and `port`; 0 picks a free port.

    Raises OSError when the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    largest_body = app.config["MAX_CONTENT_LENGTH"]
    server = waitress.create_server(
        app,
        sockets=[listener],
        threads=THREADS,
        ident="",
        channel_timeout=IDLE_SECONDS,
        inbuf_overflow=largest_body,
        outbuf_overflow=largest_body * PAGE_BYTES_PER_UPLOAD_BYTE,
    )
    server.channel_class = InMemoryChannel
    return server
