"""The answer for one picture, which has the same shape on REST, the page and the command line."""

import base64
import io
from typing import Any, NamedTuple

from PIL import Image

from model.images.errors import ImageError
from model.images.preprocessing import Pixels, PreparedImage
from model.inference.card import ModelCard


class Output(NamedTuple):
    """What a network says of one picture.

    Attributes:
        probabilities: One probability per class, in the order of the card's class names.
        ood_score: How strange the picture is, 0 for a typical one of a class; NaN if unknown.
    """

    probabilities: list[float]
    ood_score: float


def answer(
    card: ModelCard,
    output: Output,
    image: PreparedImage,
    top_k: int | None = None,
    *,
    model_input: bool = False,
) -> dict[str, Any]:
    """Describe what a picture shows.

    Args:
        card: The card of the model.
        output: What the network says of the picture.
        image: The picture.
        top_k: Number of classes to name, at least 1; all by default.
        model_input: Whether to include the picture as the network sees it.

    Returns:
        ``label`` and ``confidence`` of the likeliest class, ``probabilities`` by class, highest
        first, ``model`` with name and version, and ``image`` with facts about the file.
        ``known`` tells whether the ``ood_score`` is as low as that of 95 % of the pictures of the
        classes, and ``reliability`` tells which share of the held-out pictures with a confidence in
        the same ``band`` was ``right``, with its 95 % ``interval``, and ``of`` how many; models for
        which few were held out lack these three. If asked for, ``model_input`` comes last: the
        pixels as the ``data:`` URL of a lossless PNG.
    """
    probabilities = output.probabilities
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
    if card.ood_threshold is not None:
        answered["known"] = output.ood_score <= card.ood_threshold
        answered["ood_score"] = round(output.ood_score, 4)
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
