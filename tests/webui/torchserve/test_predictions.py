"""TorchServe's answer is accepted only if it is a prediction."""

import json
from typing import Any

import pytest

from webui.torchserve.predictions import parse_prediction

PREDICTION: dict[str, Any] = {
    "label": "zebra",
    "confidence": 0.9,
    "probabilities": {"zebra": 0.9, "ant": 0.1},
    "model": {"name": "zoo", "version": "7.3"},
}
PNG = "data:image/png;base64,iVBORw0KGgo+/0"
CHANGES: list[tuple[str, object]] = [
    ("label", None),
    ("label", "not a class"),
    ("confidence", "0.9"),
    ("confidence", True),
    ("confidence", 1.01),
    ("confidence", -0.1),
    ("confidence", float("nan")),
    ("latency", float("nan")),
    ("probabilities", []),
    ("probabilities", {"zebra": None}),
    ("probabilities", {"zebra": 7}),
    ("model", "zoo"),
    ("model", {"name": "zoo"}),
    ("model", {"name": "zoo", "version": 1.0}),
    ("model_input", ""),
    ("model_input", 7),
    ("model_input", [PNG]),
    ("model_input", "data:image/png;base64,"),
    ("model_input", "data:image/svg+xml;base64,AAAA"),
    ("model_input", "DATA:image/png;base64,AAAA"),
    ("model_input", "https://example.org/a.png"),
    ("model_input", " " + PNG),
    ("model_input", PNG + "\n"),
    ("model_input", PNG + '" onload="alert(1)'),
    ("model_input", PNG + "==="),
]


@pytest.mark.parametrize("image", [{"format": "PNG", "width": 3, "height": 2}, None, "odd"])
def test_prediction_keeps_the_order_of_classes_and_keys_it_need_not_have(image: object) -> None:
    answer = {**PREDICTION, "image": image, "latency": 3}
    parsed = parse_prediction(json.dumps(answer).encode())
    assert parsed == answer
    assert list(parsed["probabilities"]) == list(PREDICTION["probabilities"])


@pytest.mark.parametrize("model_input", [None, PNG, PNG + "=", PNG + "=="])
def test_prediction_may_hold_the_models_input(model_input: str | None) -> None:
    answer = {**PREDICTION, "model_input": model_input}
    assert parse_prediction(json.dumps(answer).encode()) == answer


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b"\xff\xfe\x00",
        *(json.dumps({**PREDICTION, key: value}).encode() for key, value in CHANGES),
        *(
            json.dumps({k: v for k, v in PREDICTION.items() if k != missing}).encode()
            for missing in PREDICTION
        ),
    ],
)
def test_anything_else_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_prediction(answer)
