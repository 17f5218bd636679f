"""The description of what programs can ask this web UI, as OpenAPI 3.1."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask_babel import force_locale

from webui.answers import HTML, JSON
from webui.api_errors import create_errors, describe_errors
from webui.api_schemas import Json, describe_shapes
from webui.errors import (
    BadRequestError,
    InternalError,
    MethodNotAllowedError,
    ModelNotReadyError,
    ModelServerError,
    ModelServerKeyError,
    ModelServerTimeoutError,
    ModelServerUnreachableError,
    NotFoundError,
    WebUIError,
)
from webui.languages import FIRST_LANGUAGE, PARAMETER
from webui.settings import Settings
from webui.uploads import FIELD_NAME

PROJECT = Path(__file__).resolve().parent.parent
# The settings that say what is taken; each is also a key of Flask's configuration.
LIMITS = {
    "MAX_UPLOAD_BYTES",
    "MAX_PICTURES",
    "MAX_FORM_BYTES",
    "RATE_LIMIT",
    "TORCHSERVE_TIMEOUT_SECONDS",
}

ErrorTypes = tuple[type[WebUIError], ...]

EVERYWHERE: ErrorTypes = (BadRequestError, InternalError)
# Not of one operation: of all other addresses, and of all other methods.
ELSEWHERE: ErrorTypes = (NotFoundError, MethodNotAllowedError)
OF_THE_MODEL_SERVER: ErrorTypes = (
    ModelServerError,
    ModelServerKeyError,
    ModelServerUnreachableError,
    ModelNotReadyError,
    ModelServerTimeoutError,
)

PICTURE: Json = {
    "type": "string",
    "minLength": 1,
    "contentMediaType": "application/octet-stream",
}
PAGE: Json = {"schema": {"type": "string"}}

LANGUAGE: Json = {
    "name": PARAMETER,
    "in": "query",
    "description": (
        "The language of pages and messages, such as `en`. One that is not known is passed over."
    ),
    "schema": {"type": "string"},
    "examples": {"English": {"value": "en"}},
}
ACCEPT_LANGUAGE: Json = {
    "name": "Accept-Language",
    "in": "header",
    "description": "The languages that will do, where the address names none.",
    "schema": {"type": "string"},
    "examples": {"German or English": {"value": "de, en;q=0.8"}},
}
LANGUAGES = [
    {"$ref": "#/components/parameters/language"},
    {"$ref": "#/components/parameters/acceptLanguage"},
]


def describe_api(server_url: str, config: Mapping[str, Any]) -> Json:
    """Return the OpenAPI document of the web UI at `server_url`, with the limits in `config`.

    It is in English, whatever the language of the current request.
    """
    with force_locale(FIRST_LANGUAGE):
        errors = create_errors(config)
        return {
            "openapi": "3.1.1",
            "info": _describe_program(config),
            "servers": [{"url": server_url, "description": "This web UI"}],
            "tags": [
                {"name": "Pictures", "description": "What the model sees."},
                {"name": "Probes", "description": "For whatever watches over the program."},
                {"name": "Description", "description": "This document."},
            ],
            "paths": {
                "/predict": {
                    "post": _describe_predict(errors, config["MAX_PICTURES"]),
                    "get": _describe_form(errors),
                },
                "/healthz": {"get": _describe_health(errors)},
                "/readyz": {"get": _describe_readiness(errors)},
                "/api": {"get": _describe_page(errors)},
                "/api/openapi.json": {"get": _describe_document(errors)},
            },
            "components": {
                "schemas": describe_shapes(),
                "parameters": {"language": LANGUAGE, "acceptLanguage": ACCEPT_LANGUAGE},
                "responses": describe_errors(_only(errors, ELSEWHERE), with_page=True),
            },
        }


def _describe_program(config: Mapping[str, Any]) -> Json:
    with (PROJECT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    return {
        "title": "Image classifier",
        "version": version,
        "summary": "Says what a small neural network sees in a picture.",
        "description": (
            "No key and no account are needed, and no picture is stored.\n\n"
            f"Answers are `{JSON}` where the header `Accept` prefers that to `{HTML}`, and pages "
            "otherwise. Without the header there is a page.\n\n"
            "Every error has the same shape. Where an error has the header `Retry-After`, sending "
            "the same again helps after so many seconds."
        ),
        "x-limits": {
            setting.variable: {"value": config[setting.variable], "description": setting.help}
            for setting in Settings.describe()
            if setting.variable in LIMITS
        },
    }


def _describe_predict(errors: list[WebUIError], most_pictures: int) -> Json:
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
    here = [error for error in errors if not isinstance(error, ELSEWHERE)]
    return {
        "operationId": "predict",
        "tags": ["Pictures"],
        "summary": "Say what is in one or several pictures",
        "description": (
            "Send a form with one or several files, or the bytes of one picture.\n\n"
            "Several pictures are answered together: each that cannot be answered has an error in "
            "its place. Where that is so for all of them, the answer is the error of the first.\n\n"
            "A page of another site cannot send pictures here: what a browser sends from there is "
            "refused with 403. Programs that are no browsers are not concerned."
        ),
        "parameters": LANGUAGES,
        "requestBody": {
            "required": True,
            "description": (
                "What the pictures are is decided by their content, not by a name or a type: AVIF, "
                "BMP, GIF, HEIC, JPEG, PNG, PPM, TIFF or WebP."
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
                            "Milliseconds until the model had answered, as `model;dur=12.3`; of "
                            "several pictures those of the slowest."
                        ),
                        "required": True,
                        "schema": {"type": "string", "pattern": r"^model;dur=[0-9]+\.[0-9]$"},
                    }
                },
                "content": {
                    JSON: {
                        "schema": {
                            "oneOf": [
                                {"$ref": "#/components/schemas/Prediction"},
                                {"$ref": "#/components/schemas/Predictions"},
                            ]
                        }
                    },
                    HTML: PAGE,
                },
            },
            **describe_errors(here, with_page=True),
        },
    }


def _describe_form(errors: list[WebUIError]) -> Json:
    return {
        "operationId": "showForm",
        "tags": ["Pictures"],
        "summary": "Lead to the form",
        "description": "For people who reload a result, which is not kept.",
        "parameters": [LANGUAGES[0]],
        "responses": {
            "303": {
                "description": "The form is elsewhere",
                "headers": {
                    "Location": {
                        "description": "Where the form is.",
                        "required": True,
                        "schema": {"type": "string"},
                    }
                },
                "content": {HTML: PAGE},
            },
            **describe_errors(_only(errors, EVERYWHERE), with_page=True),
        },
    }


def _describe_health(errors: list[WebUIError]) -> Json:
    return {
        "operationId": "reportHealth",
        "tags": ["Probes"],
        "summary": "Say that the web UI runs",
        "description": "Whatever the model server does. The answer is always JSON.",
        "parameters": LANGUAGES,
        "responses": {
            "200": _describe_state("The web UI runs", "ok"),
            **describe_errors(_only(errors, EVERYWHERE), with_page=False),
        },
    }


def _describe_readiness(errors: list[WebUIError]) -> Json:
    here = _only(errors, EVERYWHERE + OF_THE_MODEL_SERVER)
    return {
        "operationId": "reportReadiness",
        "tags": ["Probes"],
        "summary": "Say whether pictures are answered",
        "description": "Asks the model server. The answer is always JSON.",
        "parameters": LANGUAGES,
        "responses": {
            "200": _describe_state("Every worker of the model is ready", "ready"),
            **describe_errors(here, with_page=False),
        },
    }


def _describe_state(description: str, state: str) -> Json:
    return {
        "description": description,
        "content": {
            JSON: {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/State"},
                        {"properties": {"status": {"const": state}}},
                    ]
                },
                "example": {"status": state},
            }
        },
    }


def _describe_page(errors: list[WebUIError]) -> Json:
    return {
        "operationId": "showDescription",
        "tags": ["Description"],
        "summary": "Describe all this",
        "description": f"This document in OpenAPI 3.1 as `{JSON}`, or the same as a page.",
        "parameters": LANGUAGES,
        "responses": {
            "200": {
                "description": "The description",
                "content": {JSON: {"schema": {"type": "object"}}, HTML: PAGE},
            },
            **describe_errors(_only(errors, EVERYWHERE), with_page=True),
        },
    }


def _describe_document(errors: list[WebUIError]) -> Json:
    return {
        "operationId": "getDocument",
        "tags": ["Description"],
        "summary": "Describe all this to a tool",
        "description": "The same document at an address of its own, for tools that want one.",
        "parameters": LANGUAGES,
        "responses": {
            "200": {
                "description": "The document",
                "content": {JSON: {"schema": {"type": "object"}}},
            },
            **describe_errors(_only(errors, EVERYWHERE), with_page=True),
        },
    }


def _only(errors: list[WebUIError], types: ErrorTypes) -> list[WebUIError]:
    return [error for error in errors if isinstance(error, types)]
