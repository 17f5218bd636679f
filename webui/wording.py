"""Numbers as people read them."""

SMALLEST_SHOWN = 0.001
LARGEST_SHOWN = 0.999
BYTES_PER_UNIT = 1024
# How the model makes a picture square, by the handler's word for it.
FITS = {"resize": "resized as a whole"}


def format_percentage(fraction: float) -> str:
    """Return a `fraction` from 0 to 1 as a percentage that claims neither too much nor too little.

    Only a certain 1 is "100.0 %" and only a certain 0 is "0.0 %".
    """
    if 0 < fraction < SMALLEST_SHOWN:
        return f"< {SMALLEST_SHOWN:.1%}".replace("%", " %")
    if LARGEST_SHOWN < fraction < 1:
        return f"> {LARGEST_SHOWN:.1%}".replace("%", " %")
    return f"{fraction:.1%}".replace("%", " %")


def format_size(count: int) -> str:
    """Return a `count` of bytes (0 or more) in the largest unit that leaves a whole part."""
    if count < BYTES_PER_UNIT:
        return f"{count} byte" if count == 1 else f"{count} bytes"
    size = count / BYTES_PER_UNIT
    if size < BYTES_PER_UNIT:
        return f"{round(size, 1):g} KiB"
    return f"{round(size / BYTES_PER_UNIT, 1):g} MiB"


def describe_image(image: object) -> str | None:
    """Return what the handler says about a picture, or None where it says nothing that is known.

    Example: "JPEG, 4000 × 3000 pixels, resized as a whole".
    """
    match image:
        case {"format": str(name), "width": int(width), "height": int(height)}:
            description = f"{name}, {width} × {height} pixels"
        case _:
            return None
    match image:
        case {"fit": str(fit)} if width != height and fit in FITS:
            return f"{description}, {FITS[fit]}"
    return description
