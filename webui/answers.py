"""One answer in three forms: a page or a card of it for people, JSON for programs."""

import logging
from typing import Any

from flask import Response, current_app, jsonify, make_response, render_template, request
from flask_babel import force_locale
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from webui.errors import (
    BadRequestError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    UploadsTooLargeError,
    WebUIError,
)
from webui.languages import FIRST_LANGUAGE

JSON = "application/json"
HTML = "text/html"
# The parameter with which a script of the page asks for the card alone.
FORM_PARAMETER, CARD = "as", "card"
FIRST_ERROR = 400
FIRST_SERVER_ERROR = 500


def wants_json() -> bool:
    """Say whether the current request prefers JSON to a page."""
    return request.accept_mimetypes.best_match([HTML, JSON]) == JSON


def wants_card() -> bool:
    """Say whether the current request is to be answered with a part of a page."""
    return request.args.get(FORM_PARAMETER) == CARD


def negotiated(response: Response) -> Response:
    """Return `response` marked as this request's own: not to be stored, and chosen by headers."""
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept")
    return response


def answer_exception(exception: Exception) -> Any:  # noqa: ANN401
    """Answer any exception in the one shape of errors, in the form that the request prefers."""
    if isinstance(exception, HTTPException) and (exception.code or 500) < FIRST_ERROR:
        return exception
    error = _as_web_ui_error(exception)
    is_probed = request.blueprint == "probes"
    log_error(error, exception, is_probed=is_probed)
    if wants_json() or is_probed:
        response = jsonify(error.as_dict())
    elif wants_card():
        response = make_response(render_template("error_card.html", error=error))
    else:
        response = make_response(render_template("error.html", error=error))
    response.status_code = error.code
    response.headers.update(error.headers)
    return negotiated(response)


def log_error(error: WebUIError, cause: BaseException, *, is_probed: bool = False) -> None:
    """Log an `error` that is not the user's, with the traceback of an unexpected `cause`."""
    if error.code < FIRST_SERVER_ERROR:
        return
    is_expected = error is cause
    # Whoever polls a probe knows the answer; a line each time would drown the rest of the log.
    level = logging.DEBUG if is_probed and is_expected else logging.ERROR
    # The log is not for whoever sent the picture, nor in their language.
    with force_locale(FIRST_LANGUAGE):
        current_app.logger.log(
            level, "%s: %s", error.type, error.message, exc_info=not is_expected and cause
        )


def _as_web_ui_error(exception: Exception) -> WebUIError:
    match exception:
        case WebUIError():
            return exception
        case NotFound():
            return NotFoundError()
        case MethodNotAllowed():
            return MethodNotAllowedError(sorted(exception.valid_methods or ()))
        case RequestEntityTooLarge():
            config = current_app.config
            return UploadsTooLargeError(config["MAX_FORM_BYTES"], config["MAX_UPLOAD_BYTES"])
        case HTTPException(code=code) if code is not None and code < InternalError.code:
            return BadRequestError()
        case _:
            return InternalError()
