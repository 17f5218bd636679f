"""The answer for one picture, in the shape that every door gives."""

from collections.abc import Sequence
from typing import Any

from model.image_errors import ImageError
from model.model_card import ModelCard
from model.preprocessing import PreparedImage


def answer(
    card: ModelCard,
    probabilities: Sequence[float],
    image: PreparedImage,
    top_k: int | None = None,
) -> dict[str, Any]:
    """Describe what a picture shows.

    Args:
        card: of the model.
        probabilities: one a class, in the order of ``card.class_names``.
        image: the picture.
        top_k: how many classes to name, at least 1; all by default.

    Returns:
        ``label`` and ``confidence`` of the likeliest class, ``probabilities`` by class, highest
        first, ``model`` with name and version, and ``image``: its format, its size in pixels, and
        how a picture that is not square was made square.
    """
    ranked = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
    by_class = {card.class_names[index]: probabilities[index] for index in ranked[:top_k]}
    return {
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


def error_answer(error: ImageError) -> dict[str, Any]:
    """Describe why a picture has no answer, in TorchServe's shape of errors."""
    return {"code": error.code, "type": type(error).__name__, "message": str(error)}
