"""Every error that an answer may contain, as the document describes it."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Any

from webui.errors import (
    FormTooLargeError,
    MethodNotAllowedError,
    RateLimitError,
    TooManyPicturesError,
    UploadsTooLargeError,
    UploadTooLargeError,
    WebUIError,
)
from webui.negotiation import HTML, JSON
from webui.openapi.schemas import TEXT, Json, refer_to
from webui.torchserve.errors import (
    ModelServerError,
    ModelServerTimeoutError,
    RejectedImageError,
    UnknownVersionError,
)
from webui.uploads import MAX_TEXT_BYTES

# Errors of the shipped models' handler; here, the message says the cause.
REFUSALS = [
    RejectedImageError(code, type_name, message)
    for (code, type_name), message in {
        (400, "EmptyBodyError"): "The list of instances is empty. Send at least one.",
        (400, "UnreadableImageError"): (
            "The image is damaged or incomplete. Send the whole file again."
        ),
        (400, "InvalidRequestError"): "The body begins as JSON does, and is not a picture.",
        (413, "ImageTooLargeError"): (
            "The image has too many pixels, or would take too long to decode. Send a smaller copy."
        ),
        (413, "TooManyInstancesError"): "The body is JSON with too many instances in it.",
        (415, "UnsupportedFormatError"): (
            "This is not an image in one of these formats: AVIF, BMP, GIF, HEIF, JPEG, PNG, PPM, "
            "TIFF, WEBP."
        ),
    }.items()
]

HEADERS: Json = {
    "Retry-After": {
        "description": "Seconds after which the same request may succeed.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Allow": {"description": "The methods that this address accepts.", "schema": TEXT},
}


def create_errors(config: Mapping[str, Any]) -> list[WebUIError]:
    """Return an error of each type, with the limits in Flask's ``config``."""
    picture_bytes, pictures = config["MAX_UPLOAD_BYTES"], config["MAX_PICTURES"]
    values: dict[type[WebUIError], dict[str, object]] = {
        UploadTooLargeError: {"max_bytes": picture_bytes},
        UploadsTooLargeError: {
            "max_bytes": config["MAX_FORM_BYTES"],
            "max_picture_bytes": picture_bytes,
        },
        TooManyPicturesError: {"max_pictures": pictures},
        FormTooLargeError: {
            "max_fields": config["MAX_FORM_PARTS"],
            "max_text_bytes": MAX_TEXT_BYTES,
            "max_pictures": pictures,
        },
        MethodNotAllowedError: {"methods": "GET, HEAD, OPTIONS"},
        UnknownVersionError: {"version": "9.9"},
        RateLimitError: {"retry_after_seconds": 12},
        ModelServerError: {"detail": "status 500, InternalServerException"},
        ModelServerTimeoutError: {"seconds": config["TORCHSERVE_TIMEOUT_SECONDS"]},
    }
    types = [kind for kind in WebUIError.__subclasses__() if kind is not RejectedImageError]
    return [*(kind(**values.get(kind, {})) for kind in types), *REFUSALS]


def describe_errors(errors: Iterable[WebUIError], *, with_page: bool = True) -> Json:
    """Describe errors as OpenAPI's responses.

    Args:
        errors: One error of each type.
        with_page: Whether they are also answered as pages.

    Returns:
        A response for each status, with an example for each type that has this status.
    """
    by_status = attrgetter("code")
    return {
        str(status): _describe(status, list(same), with_page=with_page)
        for status, same in groupby(sorted(errors, key=by_status), key=by_status)
    }


def _describe(status: int, errors: list[WebUIError], *, with_page: bool) -> Json:
    types = {"enum": [error.type for error in errors]}
    properties = {"code": {"const": status}, "type": types}
    content: Json = {
        JSON: {
            "schema": {"allOf": [refer_to("Error"), {"properties": properties}]},
            "examples": {
                error.type: {"summary": _cause(error), "value": error.as_dict()} for error in errors
            },
        }
    }
    if with_page:
        content[HTML] = {"schema": TEXT}
    response: Json = {"description": HTTPStatus(status).phrase, "content": content}
    names = sorted({name for error in errors for name in error.headers})
    if names:
        response["headers"] = {
            name: {**HEADERS[name], "required": all(name in error.headers for error in errors)}
            for name in names
        }
    return response


def _cause(error: WebUIError) -> str:
    if error in REFUSALS:
        return str(error.message)
    return (error.__doc__ or str(error.heading)).splitlines()[0]
