"""Web UIs beside the one of `serve.py`, each with settings under which something goes wrong."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from tests.browser.web_uis import running_web_ui
from tests.serving import Server, free_ports

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
def running_web_uis(server: Server) -> Iterator[Mapping[str, str]]:
    """Serve one web UI of each kind before the same TorchServe, and give their addresses."""
    usual = server.settings
    nobody = free_ports()["TORCHSERVE_INFERENCE_PORT"]
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
                name: running.enter_context(running_web_ui(settings)).url
                for name, settings in others.items()
            },
        }
