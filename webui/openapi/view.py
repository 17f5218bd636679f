"""The pages that describe the API, for programs and for people."""

import json
import re
from http import HTTPStatus

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, request
from markupsafe import Markup, escape

from webui.code_snippets import create_code_snippets
from webui.negotiation import negotiated, wants_json
from webui.openapi.document import describe_api
from webui.openapi.schemas import Json

# Places at which a name may break that is too long for its line.
WORD_BEGINNING = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=_)|(?<=/)(?=.)")

api = Blueprint("api", __name__)


@api.get("/api")
def show_page() -> Response:
    """Show the description of the API: as a page, or as the OpenAPI document itself."""
    document = _describe()
    if wants_json():
        return negotiated(jsonify(document))
    page = render_template("api.html", document=document, code=create_code_snippets("picture.jpg"))
    return negotiated(make_response(page))


@api.get("/api/openapi.json")
def show_document() -> Response:
    """Show the OpenAPI document to tools that cannot ask for JSON."""
    response = jsonify(_describe())
    # The document names the current limits, and the address that was asked.
    response.headers["Cache-Control"] = "no-cache"
    return response


def _describe() -> Json:
    return describe_api(request.root_url.rstrip("/"), current_app.config)


@api.app_template_filter("paragraphs")
def split_paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a description."""
    return text.split("\n\n")


@api.app_template_filter("code_marked")
def mark_code(text: str) -> Markup:
    """Return a description in which everything between backticks is marked as code."""
    # Names of settings are long, and may break after each underscore.
    escaped = str(escape(text)).replace("_", "_<wbr>")
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped))  # noqa: S704


@api.app_template_filter("breakable")
def allow_breaks(name: str) -> Markup:
    """Return ``name`` with a possible line break before each of its words."""
    return Markup("<wbr>").join(WORD_BEGINNING.split(name))


@api.app_template_filter("as_json")
def format_json(value: object) -> str:
    """Return ``value`` as JSON with indentation."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@api.app_template_filter("status_phrase")
def name_status(status: str) -> str:
    """Return the name of an HTTP ``status``, such as "Not Found"."""
    return HTTPStatus(int(status)).phrase
