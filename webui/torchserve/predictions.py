"""TorchServe's answer for one picture."""

import json
import re
from typing import Any, NoReturn, NotRequired, TypedDict, cast

PNG_DATA_URI = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+={0,2}")


class Model(TypedDict):
    """The model that answered."""

    name: str
    version: str


class Prediction(TypedDict):
    """The answer; later models may add keys.

    Attributes:
        label: The likeliest class.
        confidence: The probability of that class, 0 to 1.
        probabilities: The probability of every class, 0 to 1.
        model: The model that answered.
        image: What the handler says about the picture. It is not checked, because other models may
            say other things.
        model_input: The pixels that the model saw, if they were asked for: a PNG as a ``data:``
            URI.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    model: Model
    image: NotRequired[object]
    model_input: NotRequired[str]


def parse_prediction(answer: bytes) -> Prediction:
    """Return the prediction in an answer.

    Args:
        answer: The body of TorchServe's answer.

    Returns:
        The prediction, its keys in the order of the answer.

    Raises:
        ValueError: ``answer`` is not JSON, or not a prediction.
    """
    value = json.loads(answer, parse_constant=_refuse_constant)
    if not _is_prediction(value):
        raise ValueError("not a prediction")
    return cast("Prediction", value)


def _refuse_constant(constant: str) -> NoReturn:
    # Python would read NaN and Infinity, which JSON.parse in a browser refuses.
    raise ValueError(f"{constant} is not JSON")


def _is_prediction(value: Any) -> bool:  # noqa: ANN401
    match value:
        case {
            "label": str(label),
            "confidence": confidence,
            "probabilities": dict(probabilities),
            "model": {"name": str(), "version": str()},
        }:
            return (
                label in probabilities
                and _is_probability(confidence)
                and all(map(_is_probability, probabilities.values()))
                and _is_picture(value.get("model_input"))
            )
    return False


def _is_picture(model_input: object) -> bool:
    """Say whether there is no picture, or one that a page may contain."""
    return model_input is None or (
        isinstance(model_input, str) and PNG_DATA_URI.fullmatch(model_input) is not None
    )


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
