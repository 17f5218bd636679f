"""Every exception becomes an answer of one shape, and the server's own faults are logged."""

import logging
from typing import Any

from flask import current_app, jsonify
from flask_babel import force_locale
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from webui.errors import (
    BadRequestError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    RateLimitError,
    UploadsTooLargeError,
    WebUIError,
)
from webui.languages import FIRST_LANGUAGE
from webui.negotiation import OPEN_INFERENCE, first_part, json_or_page, negotiated, wants_card

FIRST_ERROR = 400
FIRST_SERVER_ERROR = 500


def answer_exception(exception: Exception) -> Any:  # noqa: ANN401
    """Answer any exception as a page, a card or JSON; a redirect is passed on as it is."""
    if isinstance(exception, HTTPException) and (exception.code or 500) < FIRST_ERROR:
        return exception
    error = _as_web_ui_error(exception)
    log_error(error, exception)
    if first_part() == OPEN_INFERENCE:
        response = negotiated(jsonify(error=error.message))
    else:
        template = "card.html" if wants_card() else "error.html"
        response = json_or_page(error.as_dict(), template, error=error)
    response.status_code = error.code
    response.headers.update(error.headers)
    return response


def log_error(error: WebUIError, cause: BaseException) -> None:
    """Count an error, and log it if it is a refusal for the load or not the user's fault.

    The traceback of the ``cause`` is logged where it is not ``error`` itself.
    """
    current_app.extensions["metrics"].errors.labels(error.type).inc()
    if error.code < FIRST_SERVER_ERROR and not isinstance(error, RateLimitError):
        return
    is_expected = error is cause
    level = logging.ERROR if error.code >= FIRST_SERVER_ERROR else logging.INFO
    # The log is for whoever runs the server, not for whoever sent the picture.
    with force_locale(FIRST_LANGUAGE):
        current_app.logger.log(
            level,
            "%s: %s",
            error.type,
            error.message,
            exc_info=not is_expected and cause,
            extra={"kind": error.type if is_expected else None},
        )


def _as_web_ui_error(exception: Exception) -> WebUIError:
    match exception:
        case WebUIError():
            return exception
        case NotFound():
            return NotFoundError()
        case MethodNotAllowed():
            return MethodNotAllowedError(methods=", ".join(sorted(exception.valid_methods or ())))
        case RequestEntityTooLarge():
            config = current_app.config
            return UploadsTooLargeError(
                max_bytes=config["MAX_FORM_BYTES"],
                max_picture_bytes=config["MAX_UPLOAD_BYTES"],
                max_pictures=config["MAX_PICTURES"],
            )
        case HTTPException(code=code) if code is not None and code < InternalError.code:
            return BadRequestError()
        case _:
            return InternalError()
