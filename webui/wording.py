"""Numbers as people read them, in their language."""

from babel.numbers import get_decimal_symbol
from flask_babel import LazyString, gettext, lazy_gettext, ngettext

from webui.languages import current_language

SMALLEST_SHOWN = 0.001
LARGEST_SHOWN = 0.999
BYTES_PER_UNIT = 1024
MILLISECONDS_PER_SECOND = 1000
# How the model makes a picture square, by the handler's word for it.
FITS = {"resize": lazy_gettext("resized as a whole")}

Text = str | LazyString


def format_percentage(fraction: float) -> str:
    """Return a `fraction` from 0 to 1 as a percentage that claims neither too much nor too little.

    Only a certain 1 is "100.0 %" and only a certain 0 is "0.0 %".
    """
    if 0 < fraction < SMALLEST_SHOWN:
        return f"< {_percent(SMALLEST_SHOWN)}"
    if LARGEST_SHOWN < fraction < 1:
        return f"> {_percent(LARGEST_SHOWN)}"
    return _percent(fraction)


def format_size(count: int) -> str:
    """Return a `count` of bytes (0 or more) in the largest unit that leaves a whole part."""
    if count < BYTES_PER_UNIT:
        return str(ngettext("%(num)d byte", "%(num)d bytes", count))
    size = count / BYTES_PER_UNIT
    if size < BYTES_PER_UNIT:
        return f"{format_number(round(size, 1))} KiB"
    return f"{format_number(round(size / BYTES_PER_UNIT, 1))} MiB"


def format_number(number: float) -> str:
    """Return a `number` (0 or more) with no more digits than it needs, and at most six."""
    return _localized(f"{number:g}")


def format_duration(seconds: float) -> str:
    """Return a time in `seconds` (0 or more) as milliseconds, or as seconds from one on."""
    if seconds < 1:
        return f"{max(1, round(seconds * MILLISECONDS_PER_SECOND))} ms"
    return f"{_localized(f'{seconds:.1f}')} s"


def describe_image(image: object) -> str | None:
    """Return what the handler says about a picture, or None where it says nothing that is known.

    Example: "JPEG, 4000 × 3000 pixels, resized as a whole".
    """
    match image:
        case {"format": str(name), "width": int(width), "height": int(height)}:
            description = str(
                gettext(
                    "%(format)s, %(width)d × %(height)d pixels",
                    format=name,
                    width=width,
                    height=height,
                )
            )
        case _:
            return None
    match image:
        case {"fit": str(fit)} if width != height and fit in FITS:
            return f"{description}, {FITS[fit]}"
    return description


def _percent(fraction: float) -> str:
    return _localized(f"{fraction:.1%}").replace("%", " %")


def _localized(number: str) -> str:
    return number.replace(".", get_decimal_symbol(current_language()))
