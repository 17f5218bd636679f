"""The language of a page: the one that its address names, else the browser's own choice."""

from babel import Locale
from flask import Flask, Response, request
from flask_babel import Babel, get_locale

PARAMETER = "language"
# The language of the texts in the code; every other one is a folder in translations/.
FIRST_LANGUAGE = "en"


class Languages:
    """The languages that pages are written in, and which one the current request gets."""

    def __init__(self, app: Flask) -> None:
        """Find the catalogues and choose among them for every request to `app`."""
        babel = Babel(app, default_locale=FIRST_LANGUAGE, locale_selector=self.choose)
        with app.app_context():
            found = {str(locale) for locale in babel.list_translations()}
        self.names = {
            code: (Locale.parse(code).get_display_name(code) or code).title()
            for code in sorted(found | {FIRST_LANGUAGE})
        }
        app.url_defaults(self.keep)
        app.after_request(_mark)
        app.context_processor(lambda: {"languages": self.names, "language": current_language()})

    def choose(self) -> str:
        """Return the code of the current request's language, such as "en"."""
        return self._named() or self._accepted() or FIRST_LANGUAGE

    def keep(self, endpoint: str, values: dict[str, object]) -> None:
        """Carry a language that was chosen by hand on to every page that a page leads to."""
        named = self._named()
        if named and endpoint != "static":
            values.setdefault(PARAMETER, named)

    def _named(self) -> str | None:
        named = request.args.get(PARAMETER) if request else None
        return named if named in self.names else None

    def _accepted(self) -> str | None:
        # The best first. Werkzeug's own choice prefers a later "en" to "de-AT" where there is "de".
        for tag, quality in request.accept_languages:
            for code in (tag.replace("-", "_"), tag.partition("-")[0].lower()):
                if quality > 0 and code in self.names:
                    return code
        return None


def _mark(response: Response) -> Response:
    """Return `response` marked as chosen by the browser's language, unless it is a file."""
    if request.endpoint != "static":
        response.vary.add("Accept-Language")
    return response


def current_language() -> str:
    """Return the code of the language in which texts are given; outside of requests the first."""
    return str(get_locale() or FIRST_LANGUAGE)
