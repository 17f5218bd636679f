"""Finds out whether the model answers: at the start through the web UI, later without it."""

import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from itertools import chain

import urllib3

from serving import ServeError
from serving.supervision import START_SECONDS, Server
from webui.errors import WebUIError
from webui.settings import Settings
from webui.torchserve.client import PIXEL, READY, TorchServeClient
from webui.torchserve.errors import ModelServerTimeoutError, OverloadedError

# Seconds that a model may be without an answer.
NO_ANSWER_SECONDS = 60
# Seconds that it may be slow, or without some of its workers. TorchServe itself gives workers up
# after five minutes of failed starts.
IMPAIRED_SECONDS = 360
# Seconds after which an answer is too slow.
ANSWER_SECONDS = 10


def wait_for_answer(settings: Settings, servers: Sequence[Server], stop: threading.Event) -> bool:
    """Wait until the model answers through the web UI, and all workers are ready.

    Returns:
        True after the first answer, False if ``stop`` was set first.

    Raises:
        ServeError: A server ended, or there was no answer within :data:`START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    logs = f"see the logs in {settings.torchserve_run_directory}/"
    http = urllib3.PoolManager(retries=False, timeout=ANSWER_SECONDS)
    while not stop.wait(0.2):
        for server in servers:
            if server.has_ended():
                raise ServeError(f"{server.name} ended by itself: {logs}")
        if time.monotonic() > deadline:
            raise ServeError(f"there was no answer within {START_SECONDS} seconds: {logs}")
        # First without the web UI, in whose log a server that is still starting looks like a fault.
        if find_patience(settings) < math.inf:
            continue
        with suppress(urllib3.exceptions.HTTPError):  # The web UI may not be listening yet.
            answer = http.request("GET", f"{settings.web_ui_url}readyz")
            if answer.status == HTTPStatus.OK:
                return True
    return False


def find_patience(settings: Settings) -> float:
    """Return for how many seconds TorchServe may stay in its present state; ``inf`` if it works."""
    # A new client knows no keys yet, and so finds out whether the key file can be read.
    client = TorchServeClient(replace(settings, torchserve_timeout_seconds=ANSWER_SECONDS))
    try:
        client.predict(PIXEL)
        states = {*chain(*client.fetch_workers().values())}
    except OverloadedError:
        # Starting anew would only lose the pictures that it is busy with.
        return math.inf
    except ModelServerTimeoutError:
        # A worker calls itself ready also while it tries to start.
        return IMPAIRED_SECONDS if client.has_ready_worker() else NO_ANSWER_SECONDS
    except WebUIError:
        return NO_ANSWER_SECONDS
    return math.inf if states == {READY} else IMPAIRED_SECONDS
