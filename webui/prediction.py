"""TorchServe's answer for one picture."""

import json
import re
from typing import Any, NoReturn, NotRequired, TypedDict, cast

PNG_DATA_URI = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+={0,2}")


class Model(TypedDict):
    """Which model answered."""

    name: str
    version: str


class Prediction(TypedDict):
    """The answer; later models may add keys."""

    label: str
    confidence: float
    probabilities: dict[str, float]
    model: Model
    # What the handler says about the picture. Not checked: other models may say other things.
    image: NotRequired[object]
    # The pixels that the model saw, where they were asked for: a PNG as a data: URI.
    model_input: NotRequired[str]


def parse_prediction(answer: bytes) -> Prediction:
    """Return the prediction that `answer` holds, its keys in the order given.

    Raises ValueError when `answer` is not JSON or not a prediction.
    """
    value = json.loads(answer, parse_constant=_refuse_constant)
    if not _is_prediction(value):
        message = "not a prediction"
        raise ValueError(message)
    return cast("Prediction", value)


def _refuse_constant(constant: str) -> NoReturn:
    # Python reads NaN and Infinity, which no browser's JSON.parse does.
    message = f"{constant} is not JSON"
    raise ValueError(message)


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
    """Say whether there is none, or one that a page may hold."""
    return model_input is None or (
        isinstance(model_input, str) and PNG_DATA_URI.fullmatch(model_input) is not None
    )


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
