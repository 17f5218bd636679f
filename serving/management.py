"""TorchServe's management API, as far as a deploy needs it."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from urllib.parse import urlencode

from serving import ServeError
from serving.changed_classes import MODEL_API_SWITCH
from webui.settings import Settings
from webui.torchserve.client import READY, TorchServeClient
from webui.torchserve.errors import ModelServerTimeoutError

# Seconds for an answer: the thread that registers an archive also unpacks it.
CHANGE_SECONDS = 60
# Seconds that workers have until they are ready, or have ended.
WORKER_SECONDS = 120


class Management(TorchServeClient):
    """A client that also changes which versions of a model there are, and which is the default.

    Its methods raise ``ServeError`` where TorchServe refuses something or workers take too long,
    and ``WebUIError`` where it does not answer.

    Args:
        settings: Where TorchServe is, and what the model is called.
    """

    def find_versions(self) -> list[str]:
        """Return the versions of the model, the default first; none if there is no such model."""
        return [*self.fetch_workers()] if self._settings.model_name in self.fetch_models() else []

    def register(self, archive: str) -> None:
        """Begin to load a version from its archive in the model store."""
        # Waiting for the workers would keep TorchServe's only thread for requests from others.
        self._change("POST", "", url=archive, synchronous="false")

    def wait_until_ready(self, version: str) -> None:
        """Wait until all workers of a version are ready."""
        self._wait(version, {READY})

    def choose(self, version: str) -> None:
        """Let a version answer where a request names none."""
        self._change("PUT", f"/{self._path(version)}/set-default")

    def remove(self, version: str) -> None:
        """Stop the workers of a version that is not the default, and forget it."""
        self._change("PUT", f"/{self._path(version)}", min_worker="0")
        # Removing waits for the workers, too, and would keep TorchServe's only thread.
        self._wait(version, set())
        self._change("DELETE", f"/{self._path(version)}")

    def _wait(self, version: str, states: set[str]) -> None:
        deadline = time.monotonic() + WORKER_SECONDS
        while time.monotonic() < deadline:
            # Whoever unpacks an archive answers later.
            with suppress(ModelServerTimeoutError):
                if {*self.fetch_workers().get(version, ())} == states:
                    return
            time.sleep(0.2)
        logs = self._settings.torchserve_run_directory / "logs"
        raise ServeError(f"its workers do not start: see {logs}/torchserve.log")

    def _change(self, method: str, path: str, **parameters: str) -> None:
        url = f"{self._settings.management_url}/models{path}?{urlencode(parameters)}"
        reply = self._ask("management", url, CHANGE_SECONDS, method=method)
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise ServeError(f"TorchServe says: {reply.message}")


@contextmanager
def model_api(settings: Settings) -> Iterator[None]:
    """Turn on what registers and removes models, for as long as the context is entered.

    Raises:
        ServeError: No server runs in the run directory, or another deploy is under way.
    """
    switch = settings.torchserve_run_directory / MODEL_API_SWITCH
    if not settings.key_file.exists():
        raise ServeError(
            f"no server runs in {switch.parent}: start one with `make serve`, or set "
            "TORCHSERVE_RUN_DIRECTORY"
        )
    with switch.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServeError("another deploy is under way: wait for its end") from error
        try:
            yield
        finally:
            switch.unlink(missing_ok=True)
