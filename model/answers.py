"""The answer for one picture, in the shape that every door gives."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from model.image_errors import ImageError
from model.model_card import ModelCard
from model.preprocessing import Pixels, PreparedImage

# The fastest that compresses: a better one takes longer and saves 2 percent.
COMPRESS_LEVEL = 1


def answer(
    card: ModelCard,
    probabilities: Sequence[float],
    image: PreparedImage,
    top_k: int | None = None,
    *,
    model_input: bool = False,
) -> dict[str, Any]:
    """Describe what a picture shows.

    Args:
        card: of the model.
        probabilities: one a class, in the order of ``card.class_names``.
        image: the picture.
        top_k: how many classes to name, at least 1; all by default.
        model_input: whether to show the picture as the net sees it.

    Returns:
        ``label`` and ``confidence`` of the likeliest class, ``probabilities`` by class, highest
        first, ``model`` with name and version, and ``image``: its format, its size in pixels, and
        how a picture that is not square was made square. Where it is asked for, ``model_input``
        comes last: the pixels that the net saw, as the ``data:`` address of a lossless PNG.
    """
    ranked = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
    by_class = {card.class_names[index]: probabilities[index] for index in ranked[:top_k]}
    answered: dict[str, Any] = {
        "label": card.class_names[ranked[0]],
        "confidence": probabilities[ranked[0]],
        "probabilities": by_class,
        "model": {"name": card.name, "version": card.version},
        "image": {
            "format": image.format,
            "width": image.width,
            "height": image.height,
            "fit": image.fit,
        },
    }
    if model_input:
        answered["model_input"] = _png_address(image.pixels)
    return answered


def error_answer(error: ImageError) -> dict[str, Any]:
    """Describe why a picture has no answer, in TorchServe's shape of errors."""
    return {"code": error.code, "type": type(error).__name__, "message": str(error)}


def _png_address(pixels: Pixels) -> str:
    """Return the address of a picture that needs no request.

    Args:
        pixels: uint8 ``(S, S, 3)``, RGB, 0 to 255.
    """
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG", compress_level=COMPRESS_LEVEL)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
