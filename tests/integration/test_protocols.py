"""KServe's protocols in front of the real model."""

import base64
import json
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from model import PROJECT
from tests.helpers.pictures import as_instances
from tests.helpers.server import Server

# Code in the documentation that calls the web UI by one of the protocols.
CALLS = [
    code
    for code in re.findall(r"(?<=\n\n)(?:    .*\n)+", (PROJECT / "docs" / "api.md").read_text())
    if re.search(r":5000/v[12]", code)
]


def test_every_protocol_gives_the_answer_of_the_page(
    server: Server, gradient: Image.Image, png: bytes
) -> None:
    expected = server.ask_page(png).json()
    pixels = np.asarray(gradient.convert("RGB"))
    inputs = [
        {"datatype": "BYTES", "shape": [1], "data": [base64.b64encode(png).decode()]},
        {"datatype": "UINT8", "shape": pixels.shape, "data": pixels.tolist()},
    ]
    classes = server.http.request("GET", f"{server.web_ui}/v2/models/cifar10").json()["properties"]
    columns = [expected["probabilities"][classes[str(column)]] for column in range(10)]
    for tensor in inputs:
        body = json.dumps({"inputs": [{"name": "image", **tensor}]})
        response = server.http.request(
            "POST", f"{server.web_ui}/v2/models/cifar10/infer", body=body
        )
        probabilities, label = response.json()["outputs"]
        assert label["data"] == [expected["label"]]
        assert probabilities["data"] == pytest.approx(columns, abs=1e-3)
    url = f"{server.web_ui}/v1/models/cifar10:predict"
    answers = server.http.request("POST", url, body=as_instances(png, b"no picture")).json()
    first, second = answers["predictions"]
    assert first["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-3)
    assert second["type"] == "UnsupportedFormatError"


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_documented_calls_work(server: Server, call: str) -> None:
    command = call.replace("http://127.0.0.1:5000", server.web_ui)
    answer = subprocess.run(
        ["/bin/sh", "-c", command], cwd=PROJECT, capture_output=True, check=True, text=True
    ).stdout
    assert json.loads(answer).keys() & {"predictions", "outputs"}, answer
