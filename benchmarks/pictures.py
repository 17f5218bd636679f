"""The pictures that the serving benchmark sends: small and large, and the same at every run."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from benchmarks.programs import PROJECT

PHOTO_SIZE = (4000, 3000)
PHOTO_QUALITY = 85
# Of the grain on the photo, out of 255: it gives the file the size of a camera's.
GRAIN = 9.0


@dataclass(frozen=True)
class Picture:
    """A file to send.

    Attributes:
        name: what ``--pictures`` calls it.
        label: what the tables call it.
        data: the file.
        tolerance: how far a server's probabilities may lie from the reference: a JPEG may be
            decoded at a reduced scale, which changes the pixels a little.
    """

    name: str
    label: str
    data: bytes
    tolerance: float


def small_picture() -> Picture:
    """Return a PNG of 32×32 pixels, which no server has to resize."""
    return Picture("png", "32×32 PNG", _png(_ship().resize((32, 32))), 0.01)


def large_picture() -> Picture:
    """Return a JPEG of 12 megapixels, as a camera makes it: smooth parts, edges and grain."""
    photo = np.asarray(_ship().resize(PHOTO_SIZE, Image.Resampling.LANCZOS), np.float32)
    generator = np.random.default_rng(0)
    grain = generator.standard_normal(photo.shape[:2], dtype=np.float32)
    pixels = (photo + GRAIN * grain[..., None]).round().clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=PHOTO_QUALITY)
    return Picture("jpeg", "12-megapixel JPEG", file.getvalue(), 0.05)


PICTURES: dict[str, Callable[[], Picture]] = {"png": small_picture, "jpeg": large_picture}


def questions() -> list[Picture]:
    """Return PNGs with different answers, to compare what servers answer."""
    ship = _ship().resize((32, 32))
    variants = {
        "whole": ship,
        "upside down": ImageOps.flip(ship),
        "negative": ImageOps.invert(ship),
        "corner": ship.crop((0, 0, 16, 16)).resize((32, 32)),
    }
    return [Picture("png", name, _png(image), 0.01) for name, image in variants.items()]


def _ship() -> Image.Image:
    with Image.open(PROJECT / "docs" / "ship.png") as image:
        return image.convert("RGB")


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
