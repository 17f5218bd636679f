"""TorchServe over HTTP: a pool of connections, keys, and an exception for each kind of failure."""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import urllib3
from flask_babel import lazy_gettext as _
from urllib3 import exceptions

from webui.errors import WebUIError
from webui.settings import Settings, order_of_version
from webui.torchserve.errors import (
    ModelNotReadyError,
    ModelServerError,
    ModelServerKeyError,
    ModelServerTimeoutError,
    ModelServerUnreachableError,
    OverloadedError,
    RejectedImageError,
    UnknownVersionError,
)
from webui.torchserve.keys import KeyName, Keys
from webui.torchserve.predictions import Prediction, parse_prediction

# Number of connections: each of the eight requests that run may send four pictures at once.
KEPT_CONNECTIONS = 32
MAX_CONNECT_SECONDS = 5.0
READY = "READY"
# Picture for probes: one black pixel in the format PPM.
PIXEL = b"P6 1 1 255\n\0\0\0"
# Seconds for which the outcome of a probe holds, so that many probes cost no more than one.
PROBE_SECONDS = 1.0
# Status and type of TorchServe's errors. It has one for having no worker and for a full queue.
KEY_REFUSED = 400, "InvalidKeyException"
NO_PLACE = 503, "ServiceUnavailableException"
UNKNOWN_MODEL = 404, "ModelNotFoundException"
UNKNOWN_VERSION = 404, "ModelVersionNotFoundException"


class TorchServeClient:
    """A client for one model of one TorchServe, which threads may share.

    Args:
        settings: Where TorchServe is, what the model is called, and how long to wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = Keys(settings.key_file)
        self._renewal = threading.Lock()
        self._probe = threading.Lock()
        self._probe_again = 0.0
        self._not_ready: WebUIError | None = None
        seconds = settings.torchserve_timeout_seconds
        self._pool = urllib3.PoolManager(
            maxsize=KEPT_CONNECTIONS,
            retries=False,
            timeout=urllib3.Timeout(connect=min(seconds, MAX_CONNECT_SECONDS), read=seconds),
        )

    def predict(
        self,
        image: bytes,
        version: str | None = None,
        request_id: str = "",
        *,
        with_model_input: bool = False,
    ) -> Prediction:
        """Return what the model sees in a picture.

        Args:
            image: The content of the picture's file.
            version: The version of the model; TorchServe's default without one.
            request_id: What names the request in logs.
            with_model_input: Whether to ask for the pixels that the model saw, too.

        Raises:
            WebUIError: There is none; each cause has a class in :mod:`webui.torchserve.errors`.
        """
        url = f"{self._settings.inference_url}/predictions/{self._settings.model_name}"
        if version:
            url += f"/{version}"
        headers = {"Content-Type": "application/octet-stream", "X-Request-Id": request_id}
        if with_model_input:
            headers["model_input"] = "true"
        response = self._request_with_key("POST", url, "inference", image, headers)
        if response.status != HTTPStatus.OK:
            cause = _read_error(response)[:2]
            if version and cause == UNKNOWN_VERSION:
                raise UnknownVersionError(version=version)
            if cause == NO_PLACE and READY in self.fetch_worker_states():
                raise OverloadedError
            raise self._error_in(response)
        try:
            return parse_prediction(response.data)
        except ValueError as error:
            if response.data.startswith(b'{"predictions"'):
                # The handler also accepts pictures in JSON, which it tells by the content alone.
                message = "This is a request in JSON, not a picture. Send the picture itself."
                raise RejectedImageError(415, "UnsupportedFormatError", message) from error
            raise ModelServerError(detail=_("it is not a prediction")) from error

    def fetch_versions(self) -> list[str]:
        """Return the versions of the model, the default first and the others from the highest on.

        Raises:
            WebUIError: TorchServe does not tell; see :meth:`predict`.
        """
        default, versions = (
            [str(each.get("modelVersion", "")) for each in self._describe(path)]
            for path in ("", "/all")
        )
        others = [version for version in versions if version not in default]
        return [*default, *sorted(others, key=order_of_version, reverse=True)]

    def require_ready(self, version: str | None = None) -> None:
        """Require that a version classifies a picture; the default, within the last second.

        Raises:
            WebUIError: It does not; see :meth:`predict`.
        """
        if version:
            self.predict(PIXEL, version)
            return
        with self._probe:
            if time.monotonic() >= self._probe_again:
                self._not_ready = None
                try:
                    self.predict(PIXEL)
                except WebUIError as error:
                    self._not_ready = error
                self._probe_again = time.monotonic() + PROBE_SECONDS
            if self._not_ready:
                raise self._not_ready

    def fetch_worker_states(self, path: str = "") -> list[object]:
        """Return the states of the default version's workers; none if TorchServe does not tell.

        Args:
            path: ``/all`` for the workers of all versions.
        """
        try:
            versions = self._describe(path)
            return [worker["status"] for version in versions for worker in version["workers"]]
        except (WebUIError, LookupError, TypeError):
            return []

    def _describe(self, path: str = "") -> list[dict[str, Any]]:
        url = f"{self._settings.management_url}/models/{self._settings.model_name}{path}"
        response = self._request_with_key("GET", url, "management")
        if response.status != HTTPStatus.OK:
            raise self._error_in(response)
        with suppress(ValueError):
            match json.loads(response.data):
                case list(versions) if all(isinstance(version, dict) for version in versions):
                    return versions
        raise ModelServerError(detail=_("it does not describe the model"))

    def _request_with_key(
        self,
        method: str,
        url: str,
        name: KeyName,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        key = self._keys.get(name)
        response = self._request(method, url, key, body, headers)
        if _read_error(response)[:2] == KEY_REFUSED:
            key = self._replace_key(name, key)
            response = self._request(method, url, key, body, headers)
        if _read_error(response)[:2] == KEY_REFUSED:
            raise ModelServerKeyError
        return response

    def _replace_key(self, name: KeyName, refused_key: str) -> str:
        with self._renewal:
            # TorchServe was started anew, or somebody else has renewed the key. A second renewal
            # would invalidate that key.
            if (key := self._keys.read(name)) != refused_key:
                return key
            # Keys expire an hour after TorchServe's start or their last renewal.
            url = f"{self._settings.management_url}/token?type={name}"
            response = self._request("GET", url, self._keys.get("API"))
            if response.status != HTTPStatus.OK:
                raise ModelServerKeyError
            return self._keys.read(name)

    def _request(
        self,
        method: str,
        url: str,
        key: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        headers = {**(headers or {}), "Authorization": f"Bearer {key}"}
        for is_last in (False, True):
            try:
                response = self._pool.request(method, url, body=body, headers=headers)
            except exceptions.HTTPError as error:
                # TorchServe may have closed the kept connection, or lost the worker that had the
                # picture. Asking again is safe, because a prediction changes nothing.
                if isinstance(error, exceptions.ProtocolError) and not is_last:
                    continue
                is_slow = isinstance(error, exceptions.TimeoutError)
                if is_slow and not isinstance(error, exceptions.NewConnectionError):
                    seconds = self._settings.torchserve_timeout_seconds
                    raise ModelServerTimeoutError(seconds=seconds) from error
                raise ModelServerUnreachableError from error
            if not _lost_its_worker(response):
                break
        return response

    def _error_in(self, response: urllib3.BaseHTTPResponse) -> WebUIError:
        status, name, message = _read_error(response)
        if _lost_its_worker(response):
            return ModelNotReadyError(
                text=_(
                    "The program that looks at pictures stopped while it had yours. It restarts by "
                    "itself: try again in a few seconds."
                )
            )
        if (status, name) == NO_PLACE:
            return ModelNotReadyError()
        if (status, name) in {UNKNOWN_MODEL, UNKNOWN_VERSION}:
            return ModelNotReadyError(
                text=_(
                    "The model server has no model called “%(name)s” yet. If this does not change, "
                    "check MODEL_NAME and the model store.",
                    name=self._settings.model_name,
                )
            )
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and not name:
            # TorchServe answers without a body if max_request_size is exceeded.
            message = "The picture is larger than the model server accepts. Send a smaller version."
            return RejectedImageError(status, "ImageTooLargeError", message)
        # TorchServe's own types end in "Exception"; the handler's do not.
        is_refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        if is_refused and message and not name.endswith("Exception"):
            return RejectedImageError(status, name, message)
        cause = f"{status} {name}".strip()
        return ModelServerError(detail=_("status %(cause)s", cause=cause))


def _read_error(response: urllib3.BaseHTTPResponse) -> tuple[int, str, str]:
    """Return an answer's status, type and message; the latter are empty if it is no error."""
    if response.status != HTTPStatus.OK:
        with suppress(ValueError):
            match json.loads(response.data):
                case {"type": str(name), **others}:
                    return response.status, name, str(others.get("message") or "")
    return response.status, "", ""


def _lost_its_worker(response: urllib3.BaseHTTPResponse) -> bool:
    status, name, message = _read_error(response)
    is_internal = status in {500, 507} and name == "InternalServerException"
    return is_internal and message.startswith("Worker died")
