"""Web UIs beside the one of `serve.py`, each with settings under which something goes wrong."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from tests.serving import Server, free_ports
from webui import create_app
from webui.server import create_server
from webui.settings import Settings

USUAL = "usual"
# The model that it asks for does not exist, as is so for a moment while TorchServe starts.
STARTING = "starting"
UNREACHABLE = "unreachable"
HASTY = "hasty"
# Two pictures in a minute, or one of more than these bytes, are too much.
RATIONED = "rationed"
SMALL = "small"
SMALL_BYTES = 2048


@contextmanager
def running_web_ui(settings: Settings) -> Iterator[str]:
    """Serve a web UI with these settings in a thread, on a free port, and give its address."""
    server = create_server(create_app(settings), "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
    finally:
        # The loop may be awake already, and close what should wake it before it is used.
        with contextlib.suppress(OSError):
            server.trigger.pull_trigger(lambda: _close(server))
        thread.join(5)
        server.task_dispatcher.shutdown()


def _close(server: Any) -> None:
    # The server would wait for connections that browsers keep.
    for channel in list(server.active_channels.values()):
        channel.handle_close()
    server.close()


@contextmanager
def running_web_uis(server: Server) -> Iterator[Mapping[str, str]]:
    """Serve one web UI of each kind before the same TorchServe, and give their addresses."""
    usual = server.settings
    (nobody,) = {free_ports()["TORCHSERVE_INFERENCE_PORT"]}
    others = {
        STARTING: replace(usual, model_name="cifar10-new"),
        UNREACHABLE: replace(
            usual, torchserve_inference_port=nobody, torchserve_management_port=nobody
        ),
        HASTY: replace(usual, torchserve_timeout_seconds=0.001),
        RATIONED: replace(usual, rate_limit="1 per minute"),
        SMALL: replace(usual, max_upload_bytes=SMALL_BYTES),
    }
    with ExitStack() as running:
        yield {
            USUAL: server.web_ui,
            **{
                name: running.enter_context(running_web_ui(settings))
                for name, settings in others.items()
            },
        }
