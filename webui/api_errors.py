"""Every error that an answer may hold, as the description of the API names it."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from itertools import groupby
from typing import Any

from webui.api_schemas import Json
from webui.errors import (
    BadRequestError,
    CrossSiteError,
    EmptyFileError,
    FormTooLargeError,
    InternalError,
    MethodNotAllowedError,
    ModelNotReadyError,
    ModelServerError,
    ModelServerKeyError,
    ModelServerTimeoutError,
    ModelServerUnreachableError,
    NoFileError,
    NotFoundError,
    OverloadedError,
    RateLimitError,
    RejectedImageError,
    TooManyPicturesError,
    UnsupportedMediaTypeError,
    UploadsTooLargeError,
    UploadTooLargeError,
    WebUIError,
)
from webui.uploads import MOST_TEXT_BYTES

# Of the shipped models' handler; the message says the cause.
REFUSALS = (
    RejectedImageError(400, "EmptyBodyError", "The list of instances is empty."),
    RejectedImageError(
        400,
        "UnreadableImageError",
        "The image is damaged or incomplete. Send the whole file once more.",
    ),
    RejectedImageError(
        400, "InvalidRequestError", "What was sent begins as JSON does, and is no picture."
    ),
    RejectedImageError(
        413,
        "ImageTooLargeError",
        "The image has too many pixels, or would take too long to decode. Send a smaller copy.",
    ),
    RejectedImageError(
        413, "TooManyInstancesError", "What was sent is JSON, with too many instances in it."
    ),
    RejectedImageError(
        415, "UnsupportedFormatError", "This is no image in one of the formats that are read."
    ),
)
RETRY_SECONDS = 12

HEADERS: Json = {
    "Retry-After": {
        "description": "After so many seconds the same request may be answered.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Allow": {
        "description": "The methods that this address takes.",
        "schema": {"type": "string"},
    },
}


def create_errors(config: Mapping[str, Any]) -> list[WebUIError]:
    """Return an error of each type, with the limits in `config`."""
    upload, form = config["MAX_UPLOAD_BYTES"], config["MAX_FORM_BYTES"]
    return [
        BadRequestError(),
        NoFileError(),
        EmptyFileError(),
        CrossSiteError(),
        NotFoundError(),
        MethodNotAllowedError(["GET", "HEAD", "OPTIONS"]),
        UploadTooLargeError(upload),
        UploadsTooLargeError(form, upload),
        TooManyPicturesError(config["MAX_PICTURES"]),
        FormTooLargeError(config["MAX_FORM_PARTS"], MOST_TEXT_BYTES, config["MAX_PICTURES"]),
        UnsupportedMediaTypeError(),
        *REFUSALS,
        RateLimitError(RETRY_SECONDS),
        InternalError(),
        ModelServerError("status 500, InternalServerException"),
        ModelServerKeyError(),
        ModelServerUnreachableError(),
        ModelNotReadyError("The model is still loading. Try again in a few seconds."),
        OverloadedError(),
        ModelServerTimeoutError(config["TORCHSERVE_TIMEOUT_SECONDS"]),
    ]


def describe_errors(errors: Iterable[WebUIError], *, with_page: bool) -> Json:
    """Return a response for each status of `errors`, each type of which is one of its examples.

    `with_page` says whether they are also answered as pages.
    """
    by_status = groupby(sorted(errors, key=_status), key=_status)
    return {str(status): _describe(status, list(same), with_page) for status, same in by_status}


def _status(error: WebUIError) -> int:
    return error.code


def _describe(status: int, errors: list[WebUIError], with_page: bool) -> Json:  # noqa: FBT001
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/Error"},
            {
                "properties": {
                    "code": {"const": status},
                    "type": {"enum": [error.type for error in errors]},
                }
            },
        ]
    }
    examples = {
        error.type: {"summary": _cause(error), "value": error.as_dict()} for error in errors
    }
    content: Json = {"application/json": {"schema": schema, "examples": examples}}
    if with_page:
        content["text/html"] = {"schema": {"type": "string"}}
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
