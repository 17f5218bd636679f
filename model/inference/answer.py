"""The answer for one picture, which has the same shape on REST, the page and the command line."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from model.images.errors import ImageError
from model.images.preprocessing import Pixels, PreparedImage
from model.inference.card import ModelCard


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
        card: The card of the model.
        probabilities: One probability per class, in the order of ``card.class_names``.
        image: The picture.
        top_k: Number of classes to name, at least 1; all by default.
        model_input: Whether to include the picture as the network sees it.

    Returns:
        ``label`` and ``confidence`` of the likeliest class, ``probabilities`` by class, highest
        first, ``model`` with name and version, and ``image`` with facts about the file.
        ``reliability`` tells which share of the held-out pictures with a confidence in the same
        ``band`` was ``right``, with its 95 % ``interval``, and ``of`` how many; models for which
        few were held out lack it. If asked for, ``model_input`` comes last: the pixels as the
        ``data:`` URL of a lossless PNG.
    """
    ranked = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
    by_class = {card.class_names[index]: probabilities[index] for index in ranked[:top_k]}
    confidence = probabilities[ranked[0]]
    answered: dict[str, Any] = {
        "label": card.class_names[ranked[0]],
        "confidence": confidence,
        "probabilities": by_class,
        "model": {"name": card.name, "version": card.version},
        "image": {
            "format": image.format,
            "width": image.width,
            "height": image.height,
            "fit": image.fit,
        },
    }
    # The last band includes 1.
    for band in [one for one in card.bands if one.low <= confidence][-1:]:
        right, of, *interval = band.share
        answered["reliability"] = {
            "band": [band.low, band.high],
            "right": round(right / of, 4),
            "interval": interval,
            "of": of,
        }
    if model_input:
        answered["model_input"] = _data_url(image.pixels)
    return answered


def error_answer(error: ImageError) -> dict[str, Any]:
    """Describe why a picture can't be answered, in the shape of TorchServe's own errors."""
    return {"code": error.code, "type": type(error).__name__, "message": str(error)}


def _data_url(pixels: Pixels) -> str:
    png = io.BytesIO()
    # The fastest level, as higher ones take longer and save 2 percent.
    Image.fromarray(pixels).save(png, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
