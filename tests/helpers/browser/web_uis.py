"""Web UIs with settings of their own, in front of a TorchServe that runs already."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from flask import request

from tests.helpers.lessons import write_lessons
from tests.helpers.running_app import running_app
from tests.helpers.server import Server, free_ports
from webui import create_app
from webui.settings import Settings

USUAL = "usual"
# The model that it asks for does not exist, as happens for a moment while TorchServe starts.
STARTING = "starting"
UNREACHABLE = "unreachable"
# Its keys are those of another TorchServe.
LOCKED_OUT = "locked-out"
# The one refuses a second picture within a minute, the other a picture of more than SMALL_BYTES.
RATIONED = "rationed"
SMALL = "small"
SMALL_BYTES = 2048
# It teaches own classes.
TEACHING = "teaching"


@dataclass
class WebUI:
    """A running web UI and the requests that it got.

    Attributes:
        url: The address, without a slash at the end.
        requests: Method and path of each request, oldest first.
        uploads: Content of each file that was sent, oldest first.
    """

    url: str
    requests: list[str] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)


@contextmanager
def running_web_ui(settings: Settings) -> Iterator[WebUI]:
    """Run a web UI in this process, so that a test sees what arrives; its port is a free one."""
    app = create_app(settings)

    @app.before_request
    def record() -> None:
        web_ui.requests.append(f"{request.method} {request.path}")
        for file in request.files.getlist("image"):
            web_ui.uploads.append(file.read())
            file.seek(0)

    with running_app(app) as port:
        web_ui = WebUI(f"http://127.0.0.1:{port}")
        yield web_ui


@contextmanager
def running_web_uis(server: Server) -> Iterator[Mapping[str, str]]:
    """Run a web UI of each kind in front of the same TorchServe, and give their addresses."""
    with ExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        wrong_keys = {kind: {"key": "wrongkey"} for kind in ("inference", "management", "API")}
        (directory / "key_file.json").write_text(json.dumps(wrong_keys))
        usual = server.settings
        nobody = int(free_ports()["TORCHSERVE_INFERENCE_PORT"])
        others = {
            STARTING: replace(usual, model_name="cifar10-new"),
            UNREACHABLE: replace(
                usual, torchserve_inference_port=nobody, torchserve_management_port=nobody
            ),
            LOCKED_OUT: replace(usual, torchserve_run_directory=directory),
            RATIONED: replace(usual, rate_limit="1 per minute"),
            SMALL: replace(usual, max_upload_bytes=SMALL_BYTES),
            TEACHING: replace(
                usual, webui_teach=True, teach_directory=write_lessons(directory / "teach", 20)
            ),
        }
        yield {
            USUAL: server.web_ui,
            **{
                name: running.enter_context(running_web_ui(settings)).url
                for name, settings in others.items()
            },
        }
