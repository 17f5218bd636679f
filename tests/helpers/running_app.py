"""Runs a web UI in the process of the tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flask import Flask

from webui.waitress_server import create_server, serve


@contextmanager
def running_app(app: Flask) -> Iterator[int]:
    """Serve ``app`` with a real server, whose port this gives."""
    server = create_server(app, "127.0.0.1", 0)
    stopping = threading.Event()
    thread = threading.Thread(target=serve, args=(server, stopping))
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        stopping.set()
        # It may have ended by now.
        with suppress(OSError):
            server.pull_trigger()
        thread.join()
        server.task_dispatcher.shutdown()
