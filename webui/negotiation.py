"""Which form a request prefers for its answer: a page or a card for people, JSON for programs."""

from flask import Response, request

JSON = "application/json"
HTML = "text/html"
# Parameter with which a script of the page asks for the card alone, and its value.
FORM_PARAMETER, CARD = "as", "card"


def wants_json() -> bool:
    """Say whether the current request prefers JSON to a page."""
    return request.accept_mimetypes.best_match([HTML, JSON]) == JSON


def wants_card() -> bool:
    """Say whether the current request asks for a part of a page only."""
    return request.args.get(FORM_PARAMETER) == CARD


def negotiated(response: Response) -> Response:
    """Return ``response`` marked as this request's own: not to be stored, chosen by headers."""
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept")
    return response
