"""Pictures that benchmarks send: small and large, and the same at every run."""

import io

import numpy as np
from PIL import Image

from model import PROJECT

SHIP = PROJECT / "docs" / "ship.png"
# Standard deviation of the photo's grain, out of 255; it makes the file as large as a camera's.
GRAIN = 9.0


def encode(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    """Return a picture as a file; ``options`` are Pillow's for this format."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def ship() -> Image.Image:
    """Return the picture of a ship that the documentation shows, 640×480 pixels."""
    with Image.open(SHIP) as image:
        return image.convert("RGB")


def small_picture() -> bytes:
    """Return a PNG of 32×32 pixels, which no server has to resize."""
    return encode(ship().resize((32, 32)))


def large_picture() -> bytes:
    """Return a JPEG of 12 megapixels, as a camera makes it: smooth parts, edges and grain."""
    photo = np.asarray(ship().resize((4000, 3000), Image.Resampling.LANCZOS), np.float32)
    generator = np.random.default_rng(0)
    grain = generator.standard_normal(photo.shape[:2], dtype=np.float32)
    pixels = (photo + GRAIN * grain[..., None]).round().clip(0, 255).astype(np.uint8)
    return encode(Image.fromarray(pixels), "JPEG", quality=85)
