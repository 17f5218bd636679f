"""One answer in two forms: a page for people, JSON for programs."""

import logging
from typing import Any

from flask import Response, current_app, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from webui.errors import as_web_ui_error

JSON = "application/json"
HTML = "text/html"
FIRST_ERROR = 400
FIRST_SERVER_ERROR = 500


def wants_json() -> bool:
    """Say whether the current request prefers JSON to a page."""
    return request.accept_mimetypes.best_match([HTML, JSON]) == JSON


def negotiated(response: Response) -> Response:
    """Return `response` marked as this request's own: not to be stored, and chosen by Accept."""
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept")
    return response


def answer_exception(exception: Exception) -> Any:  # noqa: ANN401
    """Answer any exception in the one shape of errors, as a page or as JSON."""
    if isinstance(exception, HTTPException) and (exception.code or 500) < FIRST_ERROR:
        return exception
    error = as_web_ui_error(exception, current_app.config["MAX_UPLOAD_BYTES"])
    is_expected = error is exception
    is_probed = request.blueprint == "probes"
    if error.code >= FIRST_SERVER_ERROR:
        # Whoever polls a probe knows the answer; a line each time would drown the rest of the log.
        level = logging.DEBUG if is_probed and is_expected else logging.ERROR
        current_app.logger.log(
            level, "%s: %s", error.type, error.message, exc_info=not is_expected and exception
        )
    if wants_json() or is_probed:
        response = jsonify(error.as_dict())
    else:
        response = make_response(render_template("error.html", error=error))
    response.status_code = error.code
    response.headers.update(error.headers)
    return negotiated(response)
