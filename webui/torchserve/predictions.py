"""TorchServe's answer for one picture."""

from typing import Any, NotRequired, TypedDict, cast

import orjson


class Prediction(TypedDict):
    """The answer; later models may add keys.

    Attributes:
        label: The likeliest class.
        confidence: The probability of that class, 0 to 1.
        probabilities: The probability of every class, 0 to 1.
        model: The ``name`` and the ``version`` of the model that answered.
        image: What the handler says about the picture: its ``format``, ``width`` and ``height``.
        known: Whether the picture passes as one of the model's classes.
        ood_score: How strange it is, the higher the stranger.
        reliability: How many held-out pictures with a confidence in the same ``band`` were
            ``right``, as a share, and ``of`` how many.
        model_input: The pixels that the model saw, if they were asked for: a PNG as a ``data:``
            URI.
        explanation: Which parts of the picture count for the classes, if that was asked for.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    model: dict[str, str]
    image: NotRequired[dict[str, Any]]
    known: NotRequired[bool]
    ood_score: NotRequired[float]
    reliability: NotRequired[dict[str, Any]]
    model_input: NotRequired[str]
    explanation: NotRequired[dict[str, Any]]


def parse_prediction(content: bytes) -> Prediction:
    """Return the prediction in the body of an answer, its keys in their order.

    Raises:
        ValueError: The content is something else, as the answer of another handler.
    """
    match orjson.loads(content):
        case {
            "label": str(),
            "confidence": float() | int(),
            "probabilities": dict(),
            "model": {"name": str(), "version": str()},
        } as prediction:
            return cast("Prediction", prediction)
    raise ValueError("not a prediction")
