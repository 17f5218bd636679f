"""The description of the API: an OpenAPI document for programs, and a page of it for people."""

import re
from pathlib import Path
from typing import Any

import yaml
from flask import Blueprint, Response, current_app, jsonify
from markupsafe import Markup, escape

from webui.negotiation import json_or_page

DOCUMENT: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_bytes())

api = Blueprint("api", __name__)


@api.get("/api")
def show_page() -> Response:
    """Show the description of the API: as a page, or as the OpenAPI document itself."""
    to_json = current_app.json.dumps
    return json_or_page(DOCUMENT, "api.html", document=DOCUMENT, to_json=to_json)


@api.get("/api/openapi.json")
def show_document() -> Response:
    """Show the OpenAPI document to tools that cannot ask for JSON."""
    return jsonify(DOCUMENT)


@api.app_template_filter("code_marked")
def mark_code(text: str) -> Markup:
    """Return a description in which everything between backticks is marked as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704
