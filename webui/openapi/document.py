"""The OpenAPI 3.1 document: every address, with what it accepts and answers."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask_babel import force_locale

from webui.errors import (
    BadRequestError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    WebUIError,
)
from webui.languages import FIRST_LANGUAGE, PARAMETER
from webui.negotiation import HTML, JSON
from webui.openapi.errors import create_errors, describe_errors
from webui.openapi.schemas import TEXT, Json, describe_shapes, refer_to
from webui.settings import Settings
from webui.torchserve.errors import (
    ModelNotReadyError,
    ModelServerError,
    ModelServerKeyError,
    ModelServerTimeoutError,
    ModelServerUnreachableError,
)
from webui.uploads import FIELD_NAME

# Settings that limit what is accepted; each is also a key of Flask's configuration.
LIMITS = {
    "MAX_UPLOAD_BYTES",
    "MAX_PICTURES",
    "MAX_FORM_BYTES",
    "RATE_LIMIT",
    "TORCHSERVE_TIMEOUT_SECONDS",
}

ErrorTypes = tuple[type[WebUIError], ...]

EVERYWHERE: ErrorTypes = (BadRequestError, InternalError)
# Errors of all other addresses, and of all other methods.
ELSEWHERE: ErrorTypes = (NotFoundError, MethodNotAllowedError)
OF_THE_MODEL_SERVER: ErrorTypes = (
    ModelServerError,
    ModelServerKeyError,
    ModelServerUnreachableError,
    ModelNotReadyError,
    ModelServerTimeoutError,
)


def _describe_state(description: str, state: str) -> Json:
    schema = {"allOf": [refer_to("State"), {"properties": {"status": {"const": state}}}]}
    return {
        "description": description,
        "content": {JSON: {"schema": schema, "example": {"status": state}}},
    }


PICTURE: Json = {**TEXT, "minLength": 1, "contentMediaType": "application/octet-stream"}
PAGE: Json = {HTML: {"schema": TEXT}}
DOCUMENT: Json = {JSON: {"schema": {"type": "object"}}}

LANGUAGE: Json = {
    "name": PARAMETER,
    "in": "query",
    "description": "The language of pages and messages, such as `en`. An unknown one is ignored.",
    "schema": TEXT,
    "examples": {"English": {"value": "en"}},
}
VERSION: Json = {
    "name": "version",
    "in": "query",
    "description": (
        "The version of the model, such as `2.0`, which `model.version` of an answer names. With "
        "`all`, each picture has an answer of every version, one after another."
    ),
    "schema": TEXT,
    "examples": {"The first version": {"value": "1.0"}},
}
ACCEPT_LANGUAGE: Json = {
    "name": "Accept-Language",
    "in": "header",
    "description": "The acceptable languages, if the address names none.",
    "schema": TEXT,
    "examples": {"German or English": {"value": "de, en;q=0.8"}},
}
LANGUAGES = [
    {"$ref": "#/components/parameters/language"},
    {"$ref": "#/components/parameters/acceptLanguage"},
]

SHOW_FORM: Json = {
    "operationId": "showForm",
    "tags": ["Pictures"],
    "summary": "Redirect to the form",
    "description": "For people who reload a result, which is not kept.",
    "parameters": [LANGUAGES[0]],
    "responses": {
        "303": {
            "description": "The form is elsewhere",
            "headers": {
                "Location": {"description": "Where the form is.", "required": True, "schema": TEXT}
            },
            "content": PAGE,
        }
    },
}
REPORT_HEALTH: Json = {
    "operationId": "reportHealth",
    "tags": ["Probes"],
    "summary": "Say that the web UI runs",
    "description": "This does not ask the model server. The answer is always JSON.",
    "parameters": LANGUAGES,
    "responses": {"200": _describe_state("The web UI runs", "ok")},
}
REPORT_READINESS: Json = {
    "operationId": "reportReadiness",
    "tags": ["Probes"],
    "summary": "Say whether the model is ready",
    "description": "This asks the model server. The answer is always JSON.",
    "parameters": LANGUAGES,
    "responses": {"200": _describe_state("Every worker of the model is ready", "ready")},
}
SHOW_DESCRIPTION: Json = {
    "operationId": "showDescription",
    "tags": ["Description"],
    "summary": "Describe the API",
    "description": f"This document in OpenAPI 3.1 as `{JSON}`, or the same as a page.",
    "parameters": LANGUAGES,
    "responses": {"200": {"description": "The description", "content": {**DOCUMENT, **PAGE}}},
}
GET_DOCUMENT: Json = {
    "operationId": "getDocument",
    "tags": ["Description"],
    "summary": "Describe the API to a tool",
    "description": "The same document at an address of its own, for tools that want one.",
    "parameters": LANGUAGES,
    "responses": {"200": {"description": "The document", "content": DOCUMENT}},
}


def describe_api(server_url: str, config: Mapping[str, Any]) -> Json:
    """Describe the API, in English whatever the language of the current request.

    Args:
        server_url: Address of the web UI, without a slash at the end.
        config: Flask's configuration, which contains the limits.

    Returns:
        The OpenAPI document.
    """
    with force_locale(FIRST_LANGUAGE):
        errors = create_errors(config)
        everywhere, elsewhere = _only(errors, EVERYWHERE), _only(errors, ELSEWHERE)
        of_pictures = [error for error in errors if error not in elsewhere]
        of_readiness = _only(errors, EVERYWHERE + OF_THE_MODEL_SERVER)
        predict = _describe_predict(config["MAX_PICTURES"])
        return {
            "openapi": "3.1.1",
            "info": _describe_program(config),
            "servers": [{"url": server_url, "description": "This web UI"}],
            "tags": [
                {"name": "Pictures", "description": "What the model sees."},
                {"name": "Probes", "description": "For whatever monitors the program."},
                {"name": "Description", "description": "This document."},
            ],
            "paths": {
                "/predict": {
                    "post": _add_errors(predict, of_pictures),
                    "get": _add_errors(SHOW_FORM, everywhere),
                },
                "/healthz": {"get": _add_errors(REPORT_HEALTH, everywhere, with_page=False)},
                "/readyz": {"get": _add_errors(REPORT_READINESS, of_readiness, with_page=False)},
                "/api": {"get": _add_errors(SHOW_DESCRIPTION, everywhere)},
                "/api/openapi.json": {"get": _add_errors(GET_DOCUMENT, everywhere)},
            },
            "components": {
                "schemas": describe_shapes(),
                "parameters": {"language": LANGUAGE, "acceptLanguage": ACCEPT_LANGUAGE},
                "responses": describe_errors(elsewhere),
            },
        }


def _only(errors: list[WebUIError], types: ErrorTypes) -> list[WebUIError]:
    return [error for error in errors if isinstance(error, types)]


def _add_errors(operation: Json, errors: list[WebUIError], *, with_page: bool = True) -> Json:
    responses = operation["responses"] | describe_errors(errors, with_page=with_page)
    return {**operation, "responses": responses}


def _describe_program(config: Mapping[str, Any]) -> Json:
    with Path(__file__).parents[2].joinpath("pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    return {
        "title": "Image classifier",
        "version": version,
        "summary": "Says what a small neural network sees in a picture.",
        "description": (
            "No key and no account are needed, and no picture is stored.\n\n"
            f"Answers are `{JSON}` if the header `Accept` prefers that to `{HTML}`, and pages "
            "otherwise. Without the header, the answer is a page.\n\n"
            "Every error has the same shape. If an error has the header `Retry-After`, the same "
            "request may succeed after that many seconds."
        ),
        "x-limits": {
            setting.variable: {"value": config[setting.variable], "description": setting.help}
            for setting in Settings.describe()
            if setting.variable in LIMITS
        },
    }


def _describe_predict(most_pictures: int) -> Json:
    form = {
        "type": "object",
        "required": [FIELD_NAME],
        "properties": {
            FIELD_NAME: {
                "type": "array",
                "minItems": 1,
                "maxItems": most_pictures,
                "items": PICTURE,
                "description": "Each is a file with a name. Other fields are ignored.",
            }
        },
    }
    return {
        "operationId": "predict",
        "tags": ["Pictures"],
        "summary": "Say what is in one or several pictures",
        "description": (
            "Send a form with one or several files, or the bytes of one picture.\n\n"
            "Several pictures are answered together: each that cannot be answered has an error in "
            "its place. If that is so for all of them, the answer is the error of the first.\n\n"
            "A page of another site cannot send pictures here: what a browser sends from there is "
            "refused with 403. This does not affect programs other than browsers."
        ),
        "parameters": [*LANGUAGES, VERSION],
        "requestBody": {
            "required": True,
            "description": (
                "The content decides what a picture is, not a name or a type. The formats are "
                "AVIF, BMP, GIF, HEIC, JPEG, PNG, PPM, TIFF and WebP."
            ),
            "content": {
                "multipart/form-data": {
                    "schema": form,
                    "encoding": {FIELD_NAME: {"contentType": "application/octet-stream, image/*"}},
                },
                "application/octet-stream": {"schema": PICTURE},
                "image/*": {"schema": PICTURE},
            },
        },
        "responses": {
            "200": {
                "description": "What the model sees",
                "headers": {
                    "Server-Timing": {
                        "description": (
                            "Milliseconds until the model answered, as `model;dur=12.3`; for "
                            "several pictures, those of the slowest."
                        ),
                        "required": True,
                        "schema": {**TEXT, "pattern": r"^model;dur=[0-9]+\.[0-9]$"},
                    }
                },
                "content": {
                    JSON: {"schema": {"oneOf": [refer_to("Prediction"), refer_to("Predictions")]}},
                    **PAGE,
                },
            }
        },
    }
