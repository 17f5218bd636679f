"""TorchServe's answer for one picture."""

import json
from typing import Any, NoReturn, NotRequired, TypedDict, cast


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
            )
    return False


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
