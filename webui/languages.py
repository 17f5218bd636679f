"""The language of a page: the one that its address names, or else the browser's choice.

Numbers and sizes, too, are written as people read them in that language.
"""

from babel import Locale, negotiate_locale
from babel.numbers import get_decimal_symbol
from flask import Flask, Response, request
from flask_babel import Babel, LazyString, get_locale, gettext, ngettext

PARAMETER = "language"
# The language of the texts in the code; every other one is a folder in translations/.
FIRST_LANGUAGE = "en"
SMALLEST_SHOWN = 0.001
LARGEST_SHOWN = 0.999
BYTES_PER_UNIT = 1024
MILLISECONDS_PER_SECOND = 1000

Text = str | LazyString


class Languages:
    """The languages of the pages, and the choice among them.

    Attributes:
        names: The name of each language in that language, by its code.
    """

    def __init__(self, app: Flask) -> None:
        """Find the catalogues, and choose among them for every request to ``app``."""
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
        """Return the code of the current request's language, such as ``en``."""
        return self._named() or self._accepted() or FIRST_LANGUAGE

    def keep(self, endpoint: str, values: dict[str, object]) -> None:
        """Pass a language that was chosen by hand on to every page that a page links to."""
        named = self._named()
        if named and endpoint != "static":
            values.setdefault(PARAMETER, named)

    def _named(self) -> str | None:
        named = request.args.get(PARAMETER) if request else None
        return named if named in self.names else None

    def _accepted(self) -> str | None:
        # The best come first. Werkzeug's own choice would prefer a later "en" to "de-AT" if there
        # is only "de".
        tags = [tag.replace("-", "_") for tag, quality in request.accept_languages if quality > 0]
        return negotiate_locale(tags, self.names)


def _mark(response: Response) -> Response:
    """Return ``response`` marked as dependent on the browser's language, unless it is a file."""
    if request.endpoint != "static":
        response.vary.add("Accept-Language")
    return response


def current_language() -> str:
    """Return the code of the language of texts; outside of requests it is the first language."""
    return str(get_locale() or FIRST_LANGUAGE)


def format_percentage(fraction: float) -> str:
    """Return a ``fraction`` (0 to 1) as a percentage that claims neither too much nor too little.

    Only exactly 1 is "100.0 %", and only exactly 0 is "0.0 %".
    """
    if 0 < fraction < SMALLEST_SHOWN:
        return f"< {_percent(SMALLEST_SHOWN)}"
    if LARGEST_SHOWN < fraction < 1:
        return f"> {_percent(LARGEST_SHOWN)}"
    return _percent(fraction)


def format_size(count: int) -> str:
    """Return a ``count`` of bytes (0 or more) in the largest unit that leaves a whole part."""
    if count < BYTES_PER_UNIT:
        return str(ngettext("%(num)d byte", "%(num)d bytes", count))
    size = count / BYTES_PER_UNIT
    if size < BYTES_PER_UNIT:
        return f"{format_number(round(size, 1))} KiB"
    return f"{format_number(round(size / BYTES_PER_UNIT, 1))} MiB"


def format_number(number: float) -> str:
    """Return a ``number`` (0 or more) with no more digits than it needs, and at most six."""
    return _localized(f"{number:g}")


def format_duration(seconds: float) -> str:
    """Return ``seconds`` (0 or more) as milliseconds, or from one second on as seconds."""
    if seconds < 1:
        return f"{max(1, round(seconds * MILLISECONDS_PER_SECOND))} ms"
    return f"{_localized(f'{seconds:.1f}')} s"


def describe_image(image: object) -> str | None:
    """Return the handler's words as in "JPEG, 4000 × 3000 pixels"; None for other words."""
    match image:
        case {"format": str(name), "width": int(width), "height": int(height)}:
            values = {"format": name, "width": width, "height": height}
            return str(gettext("%(format)s, %(width)d × %(height)d pixels", **values))
    return None


def _percent(fraction: float) -> str:
    return _localized(f"{fraction:.1%}").replace("%", " %")


def _localized(number: str) -> str:
    return number.replace(".", get_decimal_symbol(current_language()))
