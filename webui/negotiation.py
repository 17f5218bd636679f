"""Which form a request prefers for its answer: a page or a card for people, JSON for programs."""

from flask import Response, jsonify, make_response, render_template, request

JSON = "application/json"
HTML = "text/html"
# First parts of the addresses that only programs ask, and that answer in JSON alone.
OPEN_INFERENCE = "v2"
PROGRAMS_ALONE = {"explain", "healthz", "readyz", "v1", OPEN_INFERENCE}


def first_part() -> str:
    """Return what the path of the current request begins with, up to its second slash."""
    return request.path.split("/")[1]


def wants_json() -> bool:
    """Say whether the current request prefers JSON to a page, or can get nothing else."""
    if first_part() in PROGRAMS_ALONE:
        return True
    return request.accept_mimetypes.best_match([HTML, JSON]) == JSON


def wants_card() -> bool:
    """Say whether a script of the page asks for the card alone."""
    return request.args.get("as") == "card"


def json_or_page(document: object, template: str, /, **values: object) -> Response:
    """Return ``document`` as JSON, or a template with ``values``, as the request prefers."""
    answer = jsonify(document) if wants_json() else render_template(template, **values)
    return negotiated(make_response(answer))


def negotiated(response: Response) -> Response:
    """Return ``response`` marked as this request's own: not to be stored, chosen by headers."""
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept")
    return response
