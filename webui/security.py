"""Protection against other sites, and limits to what a page itself may do."""

import re

from flask import Response, current_app, request
from flask_babel import lazy_gettext as _

from webui.errors import BadRequestError, CrossSiteError

HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
# Headers that say what a page may do, and weigh as much as a small script does.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
    # With no-referrer, browsers would not say which page sent a form.
    "Referrer-Policy": "same-origin",
}
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def add_security_headers(response: Response) -> Response:
    """Return ``response`` with the headers of every answer, and those of a page if it is one."""
    response.headers.update(HEADERS)
    if response.mimetype == "text/html":
        response.headers.update(PAGE_HEADERS)
    return response


def refuse_unknown_hosts() -> None:
    """Refuse the current request if it was sent to a name that this site does not have.

    A page elsewhere may give its own name this server's address, to read what is answered here.
    Probes may be asked under any name.

    Raises:
        BadRequestError: The name is none of ALLOWED_HOSTS.
    """
    names = current_app.config["ALLOWED_HOSTS"]
    name = re.sub(r":[0-9]*$", "", request.headers.get("Host", "").lower())
    if names and name not in names and request.blueprint != "probes":
        raise BadRequestError(
            text=_("This site does not have the name in the address; ALLOWED_HOSTS can add it.")
        )


def refuse_other_sites() -> None:
    """Refuse the current request if a page of another site sent it and it may change something.

    Browsers say which page sent a request; other programs need not say anything.

    Raises:
        CrossSiteError: Another site sent the request.
    """
    if request.method in SAFE_METHODS:
        return
    fetch_site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if fetch_site is not None:
        # "none" means that the user asked, and not a page.
        allowed = fetch_site in {"same-origin", "none"}
    else:
        # A proxy may have changed the scheme.
        host = request.headers.get("Host")
        allowed = origin in {None, f"http://{host}", f"https://{host}"}
    if not allowed:
        raise CrossSiteError
