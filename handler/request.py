"""Reads a request: one picture as the raw body or a form field, or several in JSON."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from model.images.errors import EmptyBodyError, ImageError

# Maximum number of pictures in a request.
MAX_INSTANCES = 64
# Keys of the picture: TorchServe's name for a raw body, and the field of a form.
BODY, FIELD = "body", "data"
TOP_K, MODEL_INPUT = "top_k", "model_input"
PARAMETERS = {TOP_K, MODEL_INPUT}
# Pattern of a whole number from 1 to 9999; int() would also accept "1_0" and digits of any script.
POSITIVE = re.compile(r"\s*0*[1-9][0-9]{0,3}\s*")
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class InvalidRequestError(ImageError):
    """The request has none of the accepted shapes."""


class InvalidParameterError(ImageError):
    """A parameter has an invalid value."""


class TooManyInstancesError(ImageError):
    """The request holds more than :data:`MAX_INSTANCES` pictures."""

    code = 413
    default_message = (
        f"A request may hold at most {MAX_INSTANCES} instances. Send several requests."
    )


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """The pictures of one request.

    Attributes:
        images: The whole files, with an error in the place of each that is not valid base64.
        top_k: Number of classes that each answer names; None for all.
        model_input: Whether each answer includes the picture as the network sees it.
        as_instances: Whether the pictures came as KServe's instances, which are answered by
            predictions.
    """

    images: list[bytes | ImageError]
    top_k: int | None
    model_input: bool
    as_instances: bool


def read_request(row: Mapping[str, bytes], headers: Mapping[str, object]) -> ImageRequest:
    """Find the pictures and the parameters in a request.

    Args:
        row: TorchServe's dict of the request: ``body``, or the fields of a form.
        headers: The headers of the request, with names in upper or lower case.

    Raises:
        ImageError: The request holds no picture, or a parameter is invalid.
    """
    parameters = _parameters(row, headers)
    top_k, model_input = _top_k(parameters), _model_input(parameters)
    content = row.get(FIELD, row.get(BODY))
    if content is None:
        if fields := sorted(set(row) - PARAMETERS):
            raise InvalidRequestError(
                f"Send the picture in the form field “{FIELD}”. The form has only: "
                f"{', '.join(fields)[:200]}."
            )
        raise EmptyBodyError
    if content[:64].lstrip().startswith((b"{", b"[")):
        # No picture begins like this, so the content type, which may be wrong, is not needed.
        return ImageRequest(_instances(content), top_k, model_input, as_instances=True)
    return ImageRequest([content], top_k, model_input, as_instances=False)


def _parameters(row: Mapping[str, bytes], headers: Mapping[str, object]) -> dict[str, str]:
    """Return the parameters by name; a form field takes precedence over a header."""
    found: dict[str, object] = {name: row[name] for name in row if name in PARAMETERS}
    for header in headers:
        name = header.lower().replace("-", "_")
        if name in PARAMETERS:
            found.setdefault(name, headers[header])
    return {name: _text(value) for name, value in found.items()}


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return value.decode(errors="replace")
    return str(value)


def _top_k(parameters: Mapping[str, str]) -> int | None:
    text = parameters.get(TOP_K)
    if text is None:
        return None
    if not POSITIVE.fullmatch(text):
        raise InvalidParameterError(f"{TOP_K} must be a whole number from 1 to 9999.")
    return int(text)


def _model_input(parameters: Mapping[str, str]) -> bool:
    text = parameters.get(MODEL_INPUT)
    if text is None:
        return False
    chosen = BOOLEANS.get(text.strip().lower())
    if chosen is None:
        raise InvalidParameterError(f"{MODEL_INPUT} must be true or false.")
    return chosen


def _instances(content: bytes) -> list[bytes | ImageError]:
    shape = '{"instances": [{"b64": "…"}]}, where each b64 is a file in base64'
    try:
        request = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"The body is not valid JSON ({error}).") from error
    if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
        raise InvalidRequestError(f"The JSON must have this shape: {shape}.")
    instances = request["instances"]
    if not instances:
        raise EmptyBodyError("The list of instances is empty. Send at least one.")
    if len(instances) > MAX_INSTANCES:
        raise TooManyInstancesError
    return [_decode(instance) for instance in instances]


def _decode(instance: object) -> bytes | ImageError:
    match instance:
        case {"b64": str(text)}:
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                return InvalidRequestError("The instance's b64 is not valid base64.")
    return InvalidRequestError('An instance must have this shape: {"b64": "…"}.')
