"""TorchServe over HTTP: one connection pool, its keys, and an exception for each thing it says."""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import urllib3
from flask_babel import lazy_gettext as _
from urllib3 import exceptions

from webui.errors import (
    ModelNotReadyError,
    ModelServerError,
    ModelServerKeyError,
    ModelServerTimeoutError,
    ModelServerUnreachableError,
    OverloadedError,
    RejectedImageError,
    UploadTooLargeError,
    WebUIError,
)
from webui.key_file import KeyName, read_key
from webui.prediction import Prediction, parse_prediction
from webui.settings import Settings
from webui.wording import Text

# Of the eight threads of the web UI, each may ask for four pictures at once.
KEPT_CONNECTIONS = 32
LONGEST_CONNECT_SECONDS = 5.0
READY = "READY"
LOST_WORKER_STATUSES = {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.INSUFFICIENT_STORAGE}
UNKNOWN_MODEL_TYPES = {"ModelNotFoundException", "ModelVersionNotFoundException"}


class TorchServeClient:
    """Asks one model of one TorchServe; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Prepare to talk to the TorchServe of `settings`; nothing is sent yet."""
        self._settings = settings
        self._renewal = threading.Lock()
        seconds = settings.torchserve_timeout_seconds
        self._pool = urllib3.PoolManager(
            maxsize=KEPT_CONNECTIONS,
            retries=False,
            timeout=urllib3.Timeout(connect=min(seconds, LONGEST_CONNECT_SECONDS), read=seconds),
        )

    def predict(self, image: bytes, *, with_model_input: bool = False) -> Prediction:
        """Return what the model sees in `image`, the content of a picture file.

        `with_model_input` asks for the pixels that the model saw, too.

        Raises RejectedImageError or UploadTooLargeError when the picture is at fault, and
        OverloadedError, ModelNotReadyError, ModelServerUnreachableError, ModelServerTimeoutError,
        ModelServerKeyError or ModelServerError when the server is.
        """
        url = f"{self._settings.inference_url}/predictions/{self._settings.model_name}"
        headers = {"Content-Type": "application/octet-stream"}
        if with_model_input:
            headers["model_input"] = "true"
        response = self._request_with_key("POST", url, "inference", image, headers)
        if _has_no_place(response) and self._has_ready_worker():
            raise OverloadedError
        if response.status != HTTPStatus.OK:
            raise self._error_in(response)
        try:
            return parse_prediction(response.data)
        except ValueError as error:
            raise _explain_no_prediction(response) from error

    def require_ready(self) -> None:
        """Return when every worker of the model is ready.

        Raises ModelNotReadyError when one is not, and otherwise what `predict` raises when the
        server is at fault.
        """
        states = self._fetch_worker_states()
        if not states or any(state != READY for state in states):
            raise ModelNotReadyError(_("The model is still loading. Try again in a few seconds."))

    def _has_ready_worker(self) -> bool:
        try:
            return READY in self._fetch_worker_states()
        except WebUIError:
            # What went wrong before this question is what people are told.
            return False

    def _fetch_worker_states(self) -> list[str]:
        url = f"{self._settings.management_url}/models/{self._settings.model_name}"
        response = self._request_with_key("GET", url, "management")
        if response.status != HTTPStatus.OK:
            raise self._error_in(response)
        return _worker_states(response.data)

    def _request_with_key(
        self,
        method: str,
        url: str,
        name: KeyName,
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
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
            # A renewal makes the key before it useless: a second thread must not renew again.
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
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> urllib3.BaseHTTPResponse:
        # TorchServe may have closed the kept connection, or lost the worker that had the picture; a
        # prediction changes nothing there, so it can be asked for again.
        with suppress(exceptions.ProtocolError):
            response = self._request_once(method, url, key, body, headers)
            if not _lost_its_worker(response):
                return response
        try:
            return self._request_once(method, url, key, body, headers)
        except exceptions.ProtocolError as error:
            raise ModelServerUnreachableError from error

    def _request_once(
        self, method: str, url: str, key: str, body: bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        headers = {**headers, "Authorization": f"Bearer {key}"}
        try:
            return self._pool.request(method, url, body=body, headers=headers)
        except exceptions.ProtocolError:
            raise
        except exceptions.NewConnectionError as error:
            raise ModelServerUnreachableError from error
        except exceptions.TimeoutError as error:
            seconds = self._settings.torchserve_timeout_seconds
            raise ModelServerTimeoutError(seconds) from error
        except exceptions.HTTPError as error:
            raise ModelServerUnreachableError from error

    def _error_in(self, response: urllib3.BaseHTTPResponse) -> WebUIError:
        if reason := self._why_not_ready(response):
            return ModelNotReadyError(reason)
        match response.status, _parse_json(response.data):
            case 413, None:
                # TorchServe says 413 and nothing else when max_request_size is exceeded.
                return UploadTooLargeError()
            # TorchServe's own types end in "Exception"; the handler's do not.
            case (
                status,
                {"type": str(name), "message": str(message)},
            ) if (
                HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
                and not name.endswith("Exception")
            ):
                return RejectedImageError(status, name, message)
            case status, {"type": str(name)}:
                return ModelServerError(_("status %(status)d, %(name)s", status=status, name=name))
            case status, _other:
                return ModelServerError(_("status %(status)d", status=status))

    def _why_not_ready(self, response: urllib3.BaseHTTPResponse) -> Text | None:
        if _has_no_place(response):
            return _(
                "The model is still loading, or has more pictures waiting than it takes. Try "
                "again in a few seconds."
            )
        if _lost_its_worker(response):
            return _(
                "The program that looks at pictures ended while it had yours. It is started again "
                "by itself: try again in a few seconds."
            )
        match _parse_json(response.data):
            case {"type": str(type_name)} if type_name in UNKNOWN_MODEL_TYPES:
                return _(
                    "The model server has no model called “%(name)s” yet. If this stays so, check "
                    "MODEL_NAME and the model store.",
                    name=self._settings.model_name,
                )
        return None


def _refuses_key(response: urllib3.BaseHTTPResponse) -> bool:
    if response.status != HTTPStatus.BAD_REQUEST:
        return False
    match _parse_json(response.data):
        case {"type": "InvalidKeyException"}:
            return True
    return False


def _has_no_place(response: urllib3.BaseHTTPResponse) -> bool:
    """Say whether TorchServe has no worker or a full queue, which it tells in the same words."""
    match response.status, _parse_json(response.data):
        case HTTPStatus.SERVICE_UNAVAILABLE, {"type": "ServiceUnavailableException"}:
            return True
    return False


def _lost_its_worker(response: urllib3.BaseHTTPResponse) -> bool:
    """Say whether the worker ended that had the request."""
    if response.status not in LOST_WORKER_STATUSES:
        return False
    match _parse_json(response.data):
        case {"type": "InternalServerException", "message": str(message)}:
            return message.startswith("Worker died")
    return False


def _explain_no_prediction(response: urllib3.BaseHTTPResponse) -> WebUIError:
    match _parse_json(response.data):
        case {"predictions": list()}:
            # The handler takes pictures in JSON, too, and knows them by their content alone.
            return RejectedImageError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedFormatError",
                "This is a request in JSON, not a picture. Send the picture itself.",
            )
    return ModelServerError(_("it is not a prediction"))


def _worker_states(answer: bytes) -> list[str]:
    match _parse_json(answer):
        case [{"workers": list(workers)}]:
            return [worker.get("status", "") for worker in workers if isinstance(worker, dict)]
    raise ModelServerError(_("it does not describe the model"))


def _parse_json(content: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(content)
    except ValueError:
        return None
