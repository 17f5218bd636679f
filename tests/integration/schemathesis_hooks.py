"""What schemathesis needs to know about pictures; this module is loaded in a process of its own."""

import io
from base64 import b64encode
from typing import Any

import schemathesis
from hypothesis import strategies
from PIL import Image

SIDES = strategies.integers(1, 40)
COLOURS = strategies.tuples(*[strategies.integers(0, 255)] * 3)
FORMATS = strategies.sampled_from(["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])


@strategies.composite
def pictures(draw: strategies.DrawFn) -> bytes:
    file = io.BytesIO()
    image = Image.new("RGB", (draw(SIDES), draw(SIDES)), draw(COLOURS))
    image.save(file, draw(FORMATS))
    return file.getvalue()


# Random bytes, which it would send instead, are not pictures, and are rightly refused.
schemathesis.openapi.media_type("application/octet-stream", pictures(), aliases=["image/*"])
schemathesis.openapi.format("byte", pictures().map(lambda picture: b64encode(picture).decode()))


@schemathesis.hook
def before_call(
    _context: schemathesis.HookContext, case: schemathesis.Case[Any], options: dict[str, Any]
) -> None:
    """Send the picture in a form as one to three files: schemathesis sends it as a text field.

    Only one can be explained.
    """
    picture = case.body.get("image") if isinstance(case.body, dict) else None
    if case.media_type == "multipart/form-data" and isinstance(picture, bytes):
        file = ("image", ("picture", picture, "application/octet-stream"))
        options["files"] = [file] * (1 if case.path == "/explain" else 1 + len(picture) % 3)
