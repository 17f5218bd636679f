"""The answer for one picture, which has the same shape on REST, the page and the command line."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from model.images.errors import ImageError
from model.images.preprocessing import Pixels, PreparedImage
from model.inference.card import ModelCard

# Level of PNG's compression: the fastest one, as higher ones take longer and save 2 percent.
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
        card: The card of the model.
        probabilities: One probability per class, in the order of ``card.class_names``.
        image: The picture.
        top_k: Number of classes to name, at least 1; all by default.
        model_input: Whether to include the picture as the network sees it.

    Returns:
        ``label`` and ``confidence`` of the likeliest class, ``probabilities`` by class, highest
        first, ``model`` with name and version, and ``image`` with the format, the size in pixels,
        and the way in which the picture got the size of the network. ``reliability`` tells how
        many held-out pictures with a confidence in the same ``band`` were ``right``, as a share,
        and ``of`` how many; models for which few pictures were held out lack it. If asked for,
        ``model_input`` comes last: the pixels as the ``data:`` URL of a lossless PNG.
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
        share = round(band.right / band.of, 4)
        answered["reliability"] = {"band": [band.low, band.high], "right": share, "of": band.of}
    if model_input:
        answered["model_input"] = _data_url(image.pixels)
    return answered


def error_answer(error: ImageError) -> dict[str, Any]:
    """Describe why a picture can't be answered, in the shape of TorchServe's own errors."""
    return {"code": error.code, "type": type(error).__name__, "message": str(error)}


def _data_url(pixels: Pixels) -> str:
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG", compress_level=COMPRESS_LEVEL)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
