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

from webui.errors import UploadTooLargeError, WebUIError
from webui.languages import Text
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

        Returns:
            TorchServe's answer.

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
        if version and _is_error(response, *UNKNOWN_VERSION):
            raise UnknownVersionError(version=version)
        if _is_error(response, *NO_PLACE) and READY in self.fetch_worker_states():
            raise OverloadedError
        if response.status != HTTPStatus.OK:
            raise self._error_in(response)
        try:
            return parse_prediction(response.data)
        except ValueError as error:
            raise _explain_no_prediction(response) from error

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
        """Require that the model classifies a picture, now or within the last second.

        Args:
            version: The version; TorchServe's default without one.

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
        match _parse_json(response.data):
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
        if _is_error(response, *KEY_REFUSED):
            key = self._replace_key(name, key)
            response = self._request(method, url, key, body, headers)
        if _is_error(response, *KEY_REFUSED):
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
        # TorchServe may have closed the kept connection, or lost the worker that had the picture.
        # Asking again is safe, because a prediction changes nothing.
        with suppress(exceptions.ProtocolError):
            response = self._request_once(method, url, body, headers)
            if not _lost_its_worker(response):
                return response
        try:
            return self._request_once(method, url, body, headers)
        except exceptions.ProtocolError as error:
            raise ModelServerUnreachableError from error

    def _request_once(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(method, url, body=body, headers=headers)
        except exceptions.ProtocolError:
            raise
        except exceptions.NewConnectionError as error:
            raise ModelServerUnreachableError from error
        except exceptions.TimeoutError as error:
            seconds = self._settings.torchserve_timeout_seconds
            raise ModelServerTimeoutError(seconds=seconds) from error
        except exceptions.HTTPError as error:
            raise ModelServerUnreachableError from error

    def _error_in(self, response: urllib3.BaseHTTPResponse) -> WebUIError:
        if reason := self._why_not_ready(response):
            return ModelNotReadyError(text=reason)
        match response.status, _parse_json(response.data):
            case 413, None:
                # TorchServe answers 413 without a body if max_request_size is exceeded.
                return UploadTooLargeError(
                    text=_(
                        "The picture is larger than the model server accepts. Send a smaller "
                        "version: nothing is lost, because the model only looks at a thumbnail."
                    )
                )
            # TorchServe's own types end in "Exception"; the handler's do not.
            case status, {"type": str(name), "message": str(message)} if (
                HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
                and not name.endswith("Exception")
            ):
                return RejectedImageError(status, name, message)
            case status, {"type": str(name)}:
                return ModelServerError(
                    detail=_("status %(status)d, %(name)s", status=status, name=name)
                )
            case status, _other:
                return ModelServerError(detail=_("status %(status)d", status=status))

    def _why_not_ready(self, response: urllib3.BaseHTTPResponse) -> Text | None:
        if _is_error(response, *NO_PLACE):
            return _(
                "The model is still loading, or has more pictures waiting than it accepts. Try "
                "again in a few seconds."
            )
        if _lost_its_worker(response):
            return _(
                "The program that looks at pictures stopped while it had yours. It restarts by "
                "itself: try again in a few seconds."
            )
        if _is_error(response, *UNKNOWN_MODEL) or _is_error(response, *UNKNOWN_VERSION):
            return _(
                "The model server has no model called “%(name)s” yet. If this does not change, "
                "check MODEL_NAME and the model store.",
                name=self._settings.model_name,
            )
        return None


def _is_error(response: urllib3.BaseHTTPResponse, status: int, name: str) -> bool:
    if response.status != status:
        return False
    answer = _parse_json(response.data)
    return isinstance(answer, dict) and answer.get("type") == name


def _lost_its_worker(response: urllib3.BaseHTTPResponse) -> bool:
    match response.status, _parse_json(response.data):
        case 500 | 507, {"type": "InternalServerException", "message": str(message)}:
            return message.startswith("Worker died")
    return False


def _explain_no_prediction(response: urllib3.BaseHTTPResponse) -> WebUIError:
    match _parse_json(response.data):
        case {"predictions": list()}:
            # The handler also accepts pictures in JSON, which it recognises by the content alone.
            message = "This is a request in JSON, not a picture. Send the picture itself."
            return RejectedImageError(415, "UnsupportedFormatError", message)
    return ModelServerError(detail=_("it is not a prediction"))


def _parse_json(content: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(content)
    except ValueError:
        return None
