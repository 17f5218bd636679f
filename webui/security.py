"""What other sites must not do with a page, and what a page itself never does."""

from flask import Response, request

from webui.errors import CrossSiteError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
    # Not no-referrer, with which browsers do not say where a form comes from.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def add_security_headers(response: Response) -> Response:
    """Return `response` with the headers of every answer."""
    response.headers.update(HEADERS)
    return response


def refuse_other_sites() -> None:
    """Return when the current request changes nothing, or no page of another site sent it.

    Browsers say which page sent a request; programs that are no browsers say nothing, and may.

    Raises CrossSiteError otherwise.
    """
    if request.method in SAFE_METHODS:
        return
    fetch_site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if fetch_site is not None:
        # "none" is the user's own doing.
        allowed = fetch_site in {"same-origin", "none"}
    else:
        # Either scheme, as a proxy may have changed it.
        host = request.headers.get("Host")
        allowed = origin in {None, f"http://{host}", f"https://{host}"}
    if not allowed:
        raise CrossSiteError
