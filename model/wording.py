"""Numbers and names as a terminal shows them."""

SMALLEST_SHOWN = 0.001
LARGEST_SHOWN = 0.999


def format_percentage(fraction: float) -> str:
    """Return a ``fraction`` in [0, 1] as a percentage that claims neither too much nor too little.

    Only a certain 1 is "100.0 %" and only a certain 0 is "0.0 %", as on the web page.
    """
    if 0 < fraction < SMALLEST_SHOWN:
        return f"< {SMALLEST_SHOWN:.1%}".replace("%", " %")
    if LARGEST_SHOWN < fraction < 1:
        return f"> {LARGEST_SHOWN:.1%}".replace("%", " %")
    return f"{fraction:.1%}".replace("%", " %")


def visible(name: object) -> str:
    r"""Return a name, such as a file's, with ``\n``, ``\x1b``, … for what can't be printed."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(name)
    )
