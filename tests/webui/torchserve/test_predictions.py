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


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"<html>",
        b"\xff\xfe\x00",
        *(json.dumps({**PREDICTION, key: None}).encode() for key in PREDICTION),
        json.dumps({**PREDICTION, "model": {"name": "zoo"}}).encode(),
    ],
)
def test_anything_else_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_prediction(answer)
