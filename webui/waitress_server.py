"""The waitress server, set up so that no connection holds the others up.

One thread reads from all connections, so that a slow or an idle one costs no thread.
"""

import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any, ClassVar
from weakref import WeakSet

import waitress  # type: ignore[import-untyped]
from flask import Flask
from waitress import wasyncore
from waitress.buffers import OverflowableBuffer, TempfileBasedBuffer  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser, ParsingError, RequestHeaderFieldsTooLarge  # type: ignore[import-untyped]
from waitress.utilities import RequestEntityTooLarge  # type: ignore[import-untyped]

from webui.admission import MOST_ACCEPTED

# Threads that pictures never take: for probes, pages and files.
OTHER_THREADS = 32
MAX_CONNECTIONS = 4096
# Seconds after which an idle connection is closed.
IDLE_SECONDS = 30
# Seconds in which a request must have arrived, its body included.
MAX_REQUEST_SECONDS = 60
# Seconds that accepted requests have once the server is to stop.
MAX_DRAIN_SECONDS = 20
# Size from which a body waits in a temporary file, and number of those that stay in memory instead
# while the disk is full.
MAX_BYTES_IN_MEMORY = 65_536
MOST_WITHOUT_DISK = 8
# Size from which an answer is sent in parts. A smaller one leaves in one piece: a proxy that got
# its head gets all of it, even if this server is killed meanwhile.
MAX_BYTES_IN_ONE_PIECE = 16_384
# Patterns that refuse what waitress's own patterns would take long over. Their time grows with the
# square of the length, and nobody else is served meanwhile: a request line of 16 kB takes 25 s.
REQUEST_LINE = re.compile(rb"[^ ]+ [^ ]+(?: HTTP/[0-9]\.[0-9])?")
LONG_GAP = re.compile(rb"[ \t\r\n]{64}")
# Maximum size of the line before a chunk, and of what follows the last chunk.
MAX_CHUNK_LINE_BYTES = 1024
MAX_TRAILER_BYTES = 16_384


class Body(OverflowableBuffer):  # type: ignore[misc]
    """What has arrived of a body; a large one is in a file, or in memory if the disk is full."""

    buf: Any
    without_disk: ClassVar[WeakSet["Body"]] = WeakSet()

    def _set_large_buffer(self) -> None:
        with suppress(OSError), ExitStack() as undo:
            large = TempfileBasedBuffer()
            undo.callback(large.close)
            large.append(self.buf.get())
            undo.pop_all()
            self.buf, self.overflowed = large, True
            self.without_disk.discard(self)
            return
        if self not in self.without_disk and len(self.without_disk) >= MOST_WITHOUT_DISK:
            raise OSError("the disk is full, and so is the memory for uploads")
        self.without_disk.add(self)
        self.overflow *= 2


class Request(HTTPRequestParser):  # type: ignore[misc]
    """A request that arrives, and is refused if it would hold others up."""

    completed: bool
    error: object

    def __init__(self, adjustments: object) -> None:
        super().__init__(adjustments)
        self.deadline = time.monotonic() + MAX_REQUEST_SECONDS

    def received(self, data: bytes) -> int:
        """Read on in the request, and return how many bytes of ``data`` belong to it."""
        consumed: int = super().received(data)
        if isinstance(self.error, RequestEntityTooLarge):
            # The app says so in the usual shape of errors, as it looks at the length first.
            self.headers.setdefault("CONTENT_LENGTH", str(self.adj.max_request_body_size))
            self.headers["CONNECTION"] = "close"
            self.error = None
        elif self.chunked and not self.completed:
            # Waitress joins each piece with all that came before, without a limit.
            body = self.body_rcv
            trailer_is_endless = len(body.trailer) > MAX_TRAILER_BYTES
            if trailer_is_endless or len(body.control_line) > MAX_CHUNK_LINE_BYTES:
                self.error = RequestHeaderFieldsTooLarge("exceeds what may stand between chunks")
                self.completed = True
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and the headers; what is no request raises ``ParsingError``."""
        request_line = header_plus.partition(b"\r\n")[0].rstrip()
        if not REQUEST_LINE.fullmatch(request_line) or LONG_GAP.search(header_plus):
            raise ParsingError("Start line is invalid, or a gap too long")
        super().parse_header(header_plus)
        if self.body_rcv is not None:
            self.body_rcv.buf = Body(MAX_BYTES_IN_MEMORY)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection, which ends if a request takes too long to arrive."""

    parser_class = Request

    def readable(self) -> bool:
        """Say whether to read on; this is asked at least once a second."""
        if self.request and time.monotonic() > self.request.deadline:
            self.will_close = True
        return bool(super().readable())


def create_server(app: Flask, host: str, port: int) -> Any:  # noqa: ANN401
    """Create a waitress server, which listens at once and answers while :func:`serve` runs.

    Args:
        app: The web UI.
        host: Address to listen on, IPv4 or IPv6; one that cannot be used raises ``OSError``.
        port: Port to listen on; 0 picks a free one.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    server = waitress.create_server(
        app,
        sockets=[listener],
        threads=MOST_ACCEPTED[0] + OTHER_THREADS,
        ident="",
        connection_limit=MAX_CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        asyncore_use_poll=True,
        # The app reads them if there are proxies.
        clear_untrusted_proxy_headers=False,
        # Who is still sending may not see the error, so what is a bit too large is read on.
        max_request_body_size=2 * app.config["MAX_CONTENT_LENGTH"],
    )
    # Not an argument above, as that one is deprecated.
    server.adj.send_bytes = MAX_BYTES_IN_ONE_PIECE
    server.channel_class = Channel
    return server


def serve(server: Any, stopping: threading.Event) -> None:  # noqa: ANN401
    """Answer until ``stopping`` is set; then answer what was accepted, and close the server.

    Args:
        server: What :func:`create_server` returned.
        stopping: Whether to stop; ``server.pull_trigger()`` has this looked at at once.
    """
    deadline = float("inf")
    while not stopping.is_set() or (_is_busy(server) and time.monotonic() < deadline):
        if stopping.is_set():
            deadline = min(deadline, time.monotonic() + MAX_DRAIN_SECONDS)
        wasyncore.loop(timeout=1, use_poll=True, map=server._map, count=1)  # noqa: SLF001
    wasyncore.close_all(server._map)  # noqa: SLF001


def _is_busy(server: Any) -> bool:  # noqa: ANN401
    channels = server.active_channels.values()
    return any(channel.requests or channel.total_outbufs_len for channel in channels)
