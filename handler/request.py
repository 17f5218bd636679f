"""Reads a request: one picture as the raw body or a form field, or several in JSON."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from model.images.errors import EmptyBodyError, ImageError

# Maximum number of pictures in a request.
MAX_INSTANCES = 64
PARAMETERS = {"top_k", "model_input", "class"}
# Pattern of a whole number from 1 to 9999; int() would also accept "1_0" and digits of any script.
POSITIVE = re.compile(r"\s*0*[1-9][0-9]{0,3}\s*")
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class InvalidRequestError(ImageError):
    """The request has none of the accepted shapes."""


class InvalidParameterError(ImageError):
    """A parameter has an invalid value."""


class TooManyInstancesError(ImageError):
    """The request holds more than :data:`MAX_INSTANCES` pictures, or several to be explained."""

    code = 413


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """The pictures of one request.

    Attributes:
        images: The whole files, with an error in the place of each that is not valid base64; none
            where a description of the model is asked for.
        top_k: Number of classes that each answer names; None for all.
        model_input: Whether each answer includes the picture as the network sees it.
        explain: Whether the answer says which parts of the picture count for its classes.
        explained_class: Name of the only class that this is said of; None for the likeliest ones.
        as_instances: Whether the pictures came as KServe's instances, which are answered by
            predictions.
    """

    images: list[bytes | ImageError]
    top_k: int | None = None
    model_input: bool = False
    explain: bool = False
    explained_class: str | None = None
    as_instances: bool = False


def read_request(row: Mapping[str, bytes], headers: Mapping[str, object]) -> ImageRequest:
    """Find the pictures and the parameters in a request.

    Args:
        row: TorchServe's dict of the request: ``body``, or the fields of a form.
        headers: The headers of the request, with names in upper or lower case.

    Raises:
        ImageError: The request holds no picture, or a parameter is invalid.
    """
    parameters = _read_parameters(row, headers)
    content = row.get("data", row.get("body"))
    if content is None:
        if fields := sorted(set(row) - PARAMETERS):
            raise InvalidRequestError(
                "Send the picture in the form field “data”. The form has only: "
                f"{', '.join(fields)[:200]}."
            )
        raise EmptyBodyError
    if content[:64].lstrip().startswith((b"{", b"[")):
        # No picture begins like this, so the content type, which may be wrong, is not needed.
        images = _read_instances(content)
        if parameters.explain and len(images) > 1:
            raise TooManyInstancesError("Only one instance at a time can be explained.")
        return replace(parameters, images=images, as_instances=True)
    return replace(parameters, images=[content])


def _read_parameters(row: Mapping[str, bytes], headers: Mapping[str, object]) -> ImageRequest:
    """Return a request without pictures; a form field takes precedence over a header."""
    found = {name.lower().replace("-", "_"): str(value) for name, value in headers.items()}
    found |= {name: row[name].decode(errors="replace") for name in PARAMETERS & row.keys()}
    top_k, model_input = found.get("top_k"), found.get("model_input", "false").strip().lower()
    if top_k is not None and not POSITIVE.fullmatch(top_k):
        raise InvalidParameterError("top_k must be a whole number from 1 to 9999.")
    if model_input not in BOOLEANS:
        raise InvalidParameterError("model_input must be true or false.")
    return ImageRequest(
        [],
        None if top_k is None else int(top_k),
        BOOLEANS[model_input],
        # TorchServe adds this to what is sent to /explanations.
        explain=headers.get("explain") == "True",
        explained_class=found.get("class"),
    )


def _read_instances(content: bytes) -> list[bytes | ImageError]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"The body is not valid JSON ({error}).") from error
    match document:
        case {"instances": []}:
            raise EmptyBodyError("The list of instances is empty. Send at least one.")
        case {"instances": list(instances)} if len(instances) > MAX_INSTANCES:
            raise TooManyInstancesError(
                f"A request may hold at most {MAX_INSTANCES} instances. Send several requests."
            )
        case {"instances": list(instances)}:
            return [_decode(instance) for instance in instances]
    raise InvalidRequestError(
        'The JSON must have this shape: {"instances": [{"b64": "…"}]}, where each b64 is a file in '
        "base64."
    )


def _decode(instance: object) -> bytes | ImageError:
    match instance:
        case {"b64": str(text)}:
            try:
                return base64.b64decode(text, validate=True)
            except ValueError:
                return InvalidRequestError("The instance's b64 is not valid base64.")
    return InvalidRequestError('An instance must have this shape: {"b64": "…"}.')
