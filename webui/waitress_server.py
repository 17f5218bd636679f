"""The waitress server, set up so that no upload ever reaches the disk."""

import re
import socket
from io import BytesIO
from typing import Any

import waitress  # type: ignore[import-untyped]
from flask import Flask
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser, ParsingError, RequestHeaderFieldsTooLarge  # type: ignore[import-untyped]

THREADS = 8
# Seconds after which an idle connection makes room: waitress accepts a hundred at a time.
IDLE_SECONDS = 30
# Base64 makes the picture on the result page a third larger than the upload.
PAGE_BYTES_PER_UPLOAD_BYTE = 2
# Patterns that refuse what waitress's own patterns would take long over. Their time grows with the
# square of the length, and nobody else is served meanwhile: one request of 200 kB would hold
# everything up for minutes.
REQUEST_LINE = re.compile(rb"[^ ]+ [^ ]+(?: HTTP/[0-9]\.[0-9])?")
LONG_GAP = re.compile(rb"[ \t\r\n]{64}")
# Maximum size of the line before a chunk, and of what follows the last chunk.
MAX_CHUNK_LINE_BYTES = 1024
MAX_TRAILER_BYTES = 16_384


class BoundedBuffer:
    """A request body in memory up to a limit; of a larger one, only the length is kept.

    Reading on and forgetting lets the browser finish sending, so that it shows the page that says
    "too large"; if the connection were closed at once, it would show a network error.

    Args:
        limit: Maximum number of bytes to keep.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._length = 0
        self._body = BytesIO()

    def __len__(self) -> int:
        """Return the number of bytes that were received, kept or not."""
        return self._length

    def append(self, data: bytes) -> None:
        """Add the next piece of the body."""
        self._length += len(data)
        if self._length > self._limit:
            self._body = BytesIO()
        else:
            self._body.write(data)

    def getfile(self) -> BytesIO:
        """Return the body from its beginning; it is empty if it was too large to keep."""
        self._body.seek(0)
        return self._body

    def close(self) -> None:
        """Free the memory."""
        self._body.close()


class InMemoryParser(HTTPRequestParser):  # type: ignore[misc]
    """A parser that needs no temporary files, and refuses requests that would hold others up."""

    completed: bool

    def received(self, data: bytes) -> int:
        """Read on in the request, and return how many bytes of ``data`` belong to it."""
        consumed: int = super().received(data)
        if self.chunked and not self.completed:
            # Waitress joins each piece with all that came before, without a limit.
            body = self.body_rcv
            trailer_is_endless = len(body.trailer) > MAX_TRAILER_BYTES
            if trailer_is_endless or len(body.control_line) > MAX_CHUNK_LINE_BYTES:
                self.error = RequestHeaderFieldsTooLarge("exceeds what may stand between chunks")
                self.completed = True
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the header, then provide a buffer in memory for the body.

        Args:
            header_plus: The request line and the headers.

        Raises:
            ParsingError: This is not a request; the answer is 400.
        """
        request_line = header_plus.partition(b"\r\n")[0].rstrip()
        if not REQUEST_LINE.fullmatch(request_line) or LONG_GAP.search(header_plus):
            raise ParsingError("Start line is invalid, or a gap too long")
        super().parse_header(header_plus)
        if self.body_rcv is not None:
            self.body_rcv.buf = BoundedBuffer(self.adj.inbuf_overflow)


class InMemoryChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that reads its requests with :class:`InMemoryParser`."""

    parser_class = InMemoryParser


def create_server(app: Flask, host: str, port: int) -> Any:  # noqa: ANN401
    """Create a waitress server that listens at once, and serves when it is run.

    Args:
        app: The web UI.
        host: Address to listen on, IPv4 or IPv6.
        port: Port to listen on; 0 picks a free one.

    Returns:
        The server; its ``run`` serves until the process is stopped.

    Raises:
        OSError: The address cannot be used.
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
