"""TorchServe's answer for one picture."""

import re
from typing import Any, NotRequired, TypedDict, cast

import orjson

PNG_DATA_URI = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+={0,2}")


class Prediction(TypedDict):
    """The answer; later models may add keys.

    Attributes:
        label: The likeliest class.
        confidence: The probability of that class, 0 to 1.
        probabilities: The probability of every class, 0 to 1.
        model: The ``name`` and the ``version`` of the model that answered.
        image: What the handler says about the picture. It is not checked, because other models may
            say other things.
        model_input: The pixels that the model saw, if they were asked for: a PNG as a ``data:``
            URI.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    model: dict[str, str]
    image: NotRequired[object]
    model_input: NotRequired[str]


def parse_prediction(answer: bytes) -> Prediction:
    """Return the prediction in the body of TorchServe's answer, its keys in their order.

    Raises:
        ValueError: ``answer`` is not JSON, or not a prediction.
    """
    value = orjson.loads(answer)
    if not _is_prediction(value):
        raise ValueError("not a prediction")
    return cast("Prediction", value)


def _is_prediction(value: Any) -> bool:  # noqa: ANN401
    match value:
        case {
            "label": str(label),
            "confidence": confidence,
            "probabilities": dict(probabilities),
            "model": {"name": str(), "version": str()},
        }:
            numbers, picture = [confidence, *probabilities.values()], value.get("model_input")
            # A page may contain a PNG, and nothing else that claims to be a picture.
            is_picture = isinstance(picture, str) and PNG_DATA_URI.fullmatch(picture)
            return (
                label in probabilities
                and all(type(each) in {int, float} and 0 <= each <= 1 for each in numbers)
                and (picture is None or bool(is_picture))
            )
    return False
