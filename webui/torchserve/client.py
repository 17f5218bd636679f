"""TorchServe over HTTP: a pool of connections, keys, and an exception for each kind of failure."""

import re
import threading
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
import urllib3
from flask_babel import lazy_gettext as _
from urllib3 import exceptions

from webui.errors import WebUIError
from webui.settings import Settings, is_model_name
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
# Seconds to wait for an answer about the model or a key, which no picture delays.
MANAGEMENT_SECONDS = 2.0
# Number of models that TorchServe names at once, which is its limit.
MOST_MODELS = 100
READY = "READY"
# Picture for probes: one black pixel in the format PPM.
PIXEL = b"P6 1 1 255\n\0\0\0"
# Status and type of TorchServe's errors. It has one for having no worker and for a full queue.
KEY_REFUSED = 400, "InvalidKeyException"
NO_PLACE = 503, "ServiceUnavailableException"
UNKNOWN_MODEL = 404, "ModelNotFoundException"
UNKNOWN_VERSION = 404, "ModelVersionNotFoundException"


def order_of_version(version: str) -> tuple[list[int], str]:
    """Return what puts versions in order, so that 10.0 comes after 9.1."""
    return [int(number) for number in re.findall(r"[0-9]{1,9}", version)], version


class Reply(NamedTuple):
    """TorchServe's reply, which has a type and a message if it is an error in its shape."""

    status: int
    content: bytes
    type: str = ""
    message: str = ""

    @property
    def cause(self) -> tuple[int, str]:
        """The status and the type of an error."""
        return self.status, self.type

    @property
    def has_lost_worker(self) -> bool:
        """Whether the worker died that had the picture."""
        is_internal = self.type == "InternalServerException" and self.status in {500, 507}
        return is_internal and self.message.startswith("Worker died")


class TorchServeClient:
    """A client for one model of one TorchServe, which threads may share.

    Its methods raise ``WebUIError`` where TorchServe does not answer as it should; each cause has a
    class in :mod:`webui.torchserve.errors`.

    Args:
        settings: Where TorchServe is, what the model is called, and how long to wait.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = Keys(settings.key_file)
        self._renewal = threading.Lock()
        self._pool = urllib3.PoolManager(maxsize=KEPT_CONNECTIONS, retries=False)

    def predict(
        self,
        image: bytes,
        version: str | None = None,
        request_id: str = "",
        *,
        with_model_input: bool = False,
        explain: bool = False,
    ) -> Prediction:
        """Return what the model sees in a picture.

        Args:
            image: The content of the picture's file.
            version: The version of the model; TorchServe's default without one.
            request_id: What names the request in logs.
            with_model_input: Whether to ask for the pixels that the model saw, too.
            explain: Whether to ask which parts of the picture count for the answer, too.
        """
        door = "explanations" if explain else "predictions"
        url = f"{self._settings.inference_url}/{door}/{self._path(version)}"
        headers = {"Content-Type": "application/octet-stream", "X-Request-Id": request_id}
        if with_model_input:
            headers["model_input"] = "true"
        seconds = self._settings.torchserve_timeout_seconds
        reply = self._ask("inference", url, seconds, method="POST", body=image, headers=headers)
        if reply.cause == NO_PLACE and self.has_ready_worker(version):
            raise OverloadedError
        self._require_ok(reply, version)
        try:
            prediction = parse_prediction(reply.content)
        except ValueError as error:
            if reply.content.startswith(b'{"predictions"'):
                # The handler also accepts pictures in JSON, which it tells by the content alone.
                message = "This is a request in JSON, not a picture. Send the picture itself."
                raise RejectedImageError(415, "UnsupportedFormatError", message) from error
            raise ModelServerError(detail=_("it is not a prediction")) from error
        if explain and "explanation" not in prediction:
            # The archive holds an older handler, or another one.
            detail = _("it has no explanation, so the model's archive is to be packed again")
            raise ModelServerError(detail=detail)
        return prediction

    def fetch_workers(self) -> dict[str, list[str]]:
        """Return the states of the workers of each version.

        The default version comes first, and the others from the highest on.
        """
        url = f"{self._settings.management_url}/models/{self._settings.model_name}"
        default, versions = self._fetch_versions(url), self._fetch_versions(f"{url}/all")
        order = sorted(versions, key=lambda one: (one in default, order_of_version(one)))
        return {version: versions[version] for version in reversed(order)}

    def _fetch_versions(self, url: str) -> dict[str, list[str]]:
        reply = self._ask("management", url)
        self._require_ok(reply)
        return {
            described["modelVersion"]: [worker["status"] for worker in described["workers"]]
            for described in orjson.loads(reply.content)
        }

    def fetch_models(self) -> set[str]:
        """Return the names of all models that TorchServe serves."""
        url = f"{self._settings.management_url}/models?limit={MOST_MODELS}"
        reply = self._ask("management", url)
        self._require_ok(reply)
        return {described["modelName"] for described in orjson.loads(reply.content)["models"]}

    def fetch_description(
        self, version: str | None = None, seconds: float = MANAGEMENT_SECONDS
    ) -> dict[str, Any]:
        """Return the card of a version, or of the default, and its ``examples`` if it has some.

        The card says what the model knows, and how good it is.

        Args:
            version: The version of the model; TorchServe's default without one.
            seconds: How long to wait for the answer.
        """
        url = f"{self._settings.management_url}/models/{self._path(version)}?customized=true"
        reply = self._ask("management", url, seconds)
        self._require_ok(reply, version)
        match orjson.loads(reply.content):
            case [{"customizedMetadata": {"class_names": list()} as description}]:
                return {**description}
        raise ModelServerError(detail=_("it does not say what it knows"))

    def has_ready_worker(self, version: str | None = None) -> bool:
        """Say whether a version, or the default, has a worker that calls itself ready."""
        with suppress(WebUIError):
            workers = self.fetch_workers()
            return READY in workers[version or next(iter(workers))]
        return False

    def _path(self, version: str | None) -> str:
        """Return the end of the addresses of a version, or of the default."""
        if not version:
            return self._settings.model_name
        if not is_model_name(version):
            raise UnknownVersionError(version=version)
        return f"{self._settings.model_name}/{version}"

    def _ask(
        self,
        name: KeyName,
        url: str,
        seconds: float = MANAGEMENT_SECONDS,
        **request: Any,  # noqa: ANN401
    ) -> Reply:
        """Send a request with a key, and once more with a new one if the key has expired."""
        key = self._keys.get(name)
        reply = self._send(key, url, seconds, **request)
        if reply.cause == KEY_REFUSED:
            reply = self._send(self._replace_key(name, key), url, seconds, **request)
        if reply.cause == KEY_REFUSED:
            raise ModelServerKeyError
        return reply

    def _replace_key(self, name: KeyName, refused_key: str) -> str:
        with self._renewal:
            # TorchServe was started anew, or somebody else has renewed the key. A second renewal
            # would invalidate that key.
            if (key := self._keys.read(name)) != refused_key:
                return key
            # Keys expire an hour after TorchServe's start or their last renewal.
            url = f"{self._settings.management_url}/token?type={name}"
            if self._send(self._keys.get("API"), url).status != HTTPStatus.OK:
                raise ModelServerKeyError
            return self._keys.read(name)

    def _send(
        self,
        key: str,
        url: str,
        seconds: float = MANAGEMENT_SECONDS,
        method: str = "GET",
        **request: Any,  # noqa: ANN401
    ) -> Reply:
        request["headers"] = {**request.get("headers", {}), "Authorization": f"Bearer {key}"}
        # TorchServe may have closed the kept connection, or lost the worker that had the picture.
        # Asking again is safe: a prediction changes nothing, and no change happens twice.
        for is_last in (False, True):
            try:
                response = self._pool.request(method, url, timeout=seconds, **request)
            except exceptions.NewConnectionError as error:
                raise ModelServerUnreachableError from error
            except exceptions.TimeoutError as error:
                raise ModelServerTimeoutError(seconds=seconds) from error
            except exceptions.HTTPError as error:
                if is_last:
                    raise ModelServerUnreachableError from error
                continue
            reply = _read(response)
            if not reply.has_lost_worker:
                break
        return reply

    def _require_ok(self, reply: Reply, version: str | None = None) -> None:
        if version and reply.cause == UNKNOWN_VERSION:
            raise UnknownVersionError(version=version)
        if reply.status != HTTPStatus.OK:
            raise self._error_in(reply)

    def _error_in(self, reply: Reply) -> WebUIError:
        if reply.has_lost_worker:
            return ModelNotReadyError(
                text=_(
                    "The program that looks at pictures stopped while it had yours. It restarts by "
                    "itself: try again in a few seconds."
                )
            )
        if reply.cause == NO_PLACE:
            return ModelNotReadyError()
        if reply.cause == UNKNOWN_MODEL:
            return ModelNotReadyError(
                text=_(
                    "The model server has no model called “%(name)s” yet. If this does not change, "
                    "check MODEL_NAME and the model store.",
                    name=self._settings.model_name,
                )
            )
        status, _content, name, message = reply
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and not name:
            # TorchServe answers without a body if max_request_size is exceeded.
            message = "The picture is larger than the model server accepts. Send a smaller version."
            return RejectedImageError(status, "ImageTooLargeError", message)
        # TorchServe's own types end in "Exception"; the handler's do not.
        is_refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        if is_refused and name and not name.endswith("Exception"):
            return RejectedImageError(status, name, message)
        return ModelServerError(detail=_("status %(cause)s", cause=f"{status} {name}".strip()))


def _read(response: urllib3.BaseHTTPResponse) -> Reply:
    if response.status != HTTPStatus.OK:
        with suppress(ValueError):
            match orjson.loads(response.data):
                case {"type": str(name), "message": str(message)}:
                    return Reply(response.status, response.data, name, message)
    return Reply(response.status, response.data)
