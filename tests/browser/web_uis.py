"""Web UIs with settings of their own, in front of a TorchServe that runs already."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import request
from waitress import wasyncore  # type: ignore[import-untyped]

from webui import create_app
from webui.server import create_server
from webui.settings import Settings


@dataclass
class WebUI:
    """A web UI that listens, and what it was asked.

    Attributes:
        url: without a slash at the end.
        requests: method and path of each request, oldest first.
        uploads: the content of each file that was sent, oldest first.
    """

    url: str
    requests: list[str] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)


@contextmanager
def running_web_ui(settings: Settings) -> Iterator[WebUI]:
    """Run a web UI in this process, so that a test sees what arrives; its port is a free one."""
    app = create_app(settings)
    server = create_server(app, "127.0.0.1", 0)
    web_ui = WebUI(f"http://127.0.0.1:{server.socket.getsockname()[1]}")

    def record() -> None:
        web_ui.requests.append(f"{request.method} {request.path}")
        for file in request.files.getlist("image"):
            web_ui.uploads.append(file.read())
            file.seek(0)

    app.before_request(record)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield web_ui
    finally:
        # In the thread that waits for connections, as nobody else may touch them.
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))  # noqa: SLF001
        thread.join()
        server.task_dispatcher.shutdown()
