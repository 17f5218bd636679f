"""Waits until the web UI classifies a picture, through TorchServe and back."""

import io
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus

import psutil
import urllib3
from PIL import Image

from serving import ServeError
from serving.supervision import check_alive
from webui.settings import Settings

# Seconds from the start to the first answer, after which the start has failed.
START_SECONDS = 180


def wait_for_answer(
    settings: Settings, processes: Mapping[str, psutil.Popen], stop: threading.Event
) -> bool:
    """Wait until the web UI classifies a picture.

    Args:
        settings: The settings of this server.
        processes: The servers, by name.
        stop: The event that ends the wait early.

    Returns:
        True after the first answer, False if ``stop`` was set first.

    Raises:
        ServeError: A server ended, or there was no answer within :data:`START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    http = urllib3.PoolManager(retries=False, timeout=10)
    while not stop.wait(0.2):
        check_alive(processes, settings.torchserve_run_directory)
        if time.monotonic() > deadline:
            raise ServeError(
                f"there was no answer within {START_SECONDS} seconds: see the logs in "
                f"{settings.torchserve_run_directory}/"
            )
        try:
            ready = http.request("GET", f"{web_ui_url(settings)}readyz").status == HTTPStatus.OK
            if ready and _classifies(http, settings):
                return True
        except urllib3.exceptions.HTTPError:
            # The web UI is not listening yet.
            continue
    return False


def _classifies(http: urllib3.PoolManager, settings: Settings) -> bool:
    picture = io.BytesIO()
    Image.new("RGB", (32, 32), "skyblue").save(picture, "PNG")
    response = http.request(
        "POST",
        f"{web_ui_url(settings)}predict",
        headers={"Accept": "application/json"},
        fields={"image": ("start.png", picture.getvalue(), "image/png")},
    )
    return response.status == HTTPStatus.OK


def web_ui_url(settings: Settings) -> str:
    """Return the URL to open in a browser."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    host = here.get(settings.webui_host, settings.webui_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.webui_port}/"
