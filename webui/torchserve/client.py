"""TorchServe over HTTP: a pool of connections, keys, and an exception for each kind of failure."""

import json
import threading
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
from webui.torchserve.keys import KeyName, read_key
from webui.torchserve.predictions import Prediction, parse_prediction

# Number of connections: each of the eight requests that run may send four pictures at once.
KEPT_CONNECTIONS = 32
MAX_CONNECT_SECONDS = 5.0
READY = "READY"
UNKNOWN_MODEL_TYPES = {"ModelNotFoundException", "ModelVersionNotFoundException"}


class TorchServeClient:
    """A client for one model of one TorchServe, which threads may share.

    Args:
        settings: Where TorchServe is, what the model is called, and how long to wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._renewal = threading.Lock()
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
            UnknownVersionError: The model has no such version.
            RejectedImageError: The model's handler refuses the picture.
            UploadTooLargeError: TorchServe refuses the picture for its size.
            OverloadedError: Too many pictures are waiting.
            ModelNotReadyError: The model is not loaded, or its worker stopped twice.
            ModelServerUnreachableError: TorchServe does not answer.
            ModelServerTimeoutError: TorchServe takes too long.
            ModelServerKeyError: TorchServe refuses the key.
            ModelServerError: The answer is not as expected.
        """
        url = f"{self._settings.inference_url}/predictions/{self._settings.model_name}"
        if version:
            url += f"/{version}"
        headers = {"Content-Type": "application/octet-stream", "X-Request-Id": request_id}
        if with_model_input:
            headers["model_input"] = "true"
        response = self._request_with_key("POST", url, "inference", image, headers)
        if version and _is_unknown_version(response):
            raise UnknownVersionError(version=version)
        if _has_no_place(response) and self._has_ready_worker():
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
            ModelServerUnreachableError: TorchServe does not answer.
            ModelServerTimeoutError: TorchServe takes too long.
            ModelServerKeyError: TorchServe refuses the key.
            ModelServerError: The answer is not as expected, or the model is not loaded.
        """
        default, versions = (
            [str(each.get("modelVersion", "")) for each in self._describe(path)]
            for path in ("", "/all")
        )
        others = [version for version in versions if version not in default]
        return [*default, *sorted(others, key=order_of_version, reverse=True)]

    def require_ready(self) -> None:
        """Require that every worker of the model's default version is ready.

        Raises:
            ModelNotReadyError: A worker is not ready, or the model is not loaded.
            ModelServerUnreachableError: TorchServe does not answer.
            ModelServerTimeoutError: TorchServe takes too long.
            ModelServerKeyError: TorchServe refuses the key.
            ModelServerError: The answer is not as expected.
        """
        states = self._fetch_worker_states()
        if not states or any(state != READY for state in states):
            raise ModelNotReadyError

    def _has_ready_worker(self) -> bool:
        try:
            return READY in self._fetch_worker_states()
        except WebUIError:
            # People learn what went wrong before this question.
            return False

    def _fetch_worker_states(self) -> list[str]:
        match self._describe():
            case [{"workers": list(workers)}]:
                return [worker.get("status", "") for worker in workers if isinstance(worker, dict)]
        raise ModelServerError(detail=_("it does not describe the model"))

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
        key = read_key(self._settings.key_file, name)
        response = self._request(method, url, key, body, headers)
        if not _refuses_key(response):
            return response
        # Keys expire an hour after TorchServe's start or their last renewal.
        self._renew_key(name, key)
        key = read_key(self._settings.key_file, name)
        response = self._request(method, url, key, body, headers)
        if _refuses_key(response):
            raise ModelServerKeyError
        return response

    def _renew_key(self, name: KeyName, refused_key: str) -> None:
        with self._renewal:
            # A renewal invalidates the previous key, so a second thread must not renew again.
            if read_key(self._settings.key_file, name) != refused_key:
                return
            url = f"{self._settings.management_url}/token?type={name}"
            response = self._request("GET", url, read_key(self._settings.key_file, "API"))
            if response.status != HTTPStatus.OK:
                raise ModelServerKeyError

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
        if _has_no_place(response):
            return _(
                "The model is still loading, or has more pictures waiting than it accepts. Try "
                "again in a few seconds."
            )
        if _lost_its_worker(response):
            return _(
                "The program that looks at pictures stopped while it had yours. It restarts by "
                "itself: try again in a few seconds."
            )
        match _parse_json(response.data):
            case {"type": str(type_name)} if type_name in UNKNOWN_MODEL_TYPES:
                return _(
                    "The model server has no model called “%(name)s” yet. If this does not change, "
                    "check MODEL_NAME and the model store.",
                    name=self._settings.model_name,
                )
        return None


def _is_unknown_version(response: urllib3.BaseHTTPResponse) -> bool:
    match _parse_json(response.data):
        case {"type": "ModelVersionNotFoundException"}:
            return True
    return False


def _refuses_key(response: urllib3.BaseHTTPResponse) -> bool:
    match response.status, _parse_json(response.data):
        case HTTPStatus.BAD_REQUEST, {"type": "InvalidKeyException"}:
            return True
    return False


def _has_no_place(response: urllib3.BaseHTTPResponse) -> bool:
    """Say whether TorchServe has no worker or a full queue, for which it has the same words."""
    match response.status, _parse_json(response.data):
        case HTTPStatus.SERVICE_UNAVAILABLE, {"type": "ServiceUnavailableException"}:
            return True
    return False


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
