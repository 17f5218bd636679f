"""KServe's two protocols lead to the same model as the page."""

import json
from base64 import b64encode
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.helpers.fake_torchserve import PREDICTION, Answer, FakeTorchServe, error_answer
from tests.helpers.sending import PNG, status_and_type, upload
from tests.webui.conftest import CreateClient

PREDICT, INFER = "/v1/models/zoo:predict", "/v2/models/zoo/infer"
FILE = b64encode(PNG).decode()
GIF = b"GIF89a and so on"
DAMAGED = error_answer(400, "UnreadableImageError", "Only 60 % of it arrived.")
# In alphabetical order, as the model's metadata names them.
CLASSES = ["ant", "bee", "moth", "owl", "zebra"]
ZEBRA = [0.0684, 0.0001, 0.0003, 0.0, 0.9312]


def tensor(data: Any, *shape: int, datatype: Any = "BYTES", **more: Any) -> dict[str, Any]:
    tensor = {"name": "image", "datatype": datatype, "shape": shape, "data": data}
    return {"inputs": [tensor], **more}


def predict(client: FlaskClient, *files: bytes) -> TestResponse:
    instances = [{"b64": b64encode(file).decode()} for file in files]
    return client.post(PREDICT, json={"instances": instances})


def infer(client: FlaskClient, *files: bytes) -> TestResponse:
    texts = [b64encode(file).decode() for file in files]
    return client.post(INFER, json=tensor(texts, len(files)))


def test_instances_are_answered_in_their_order_with_errors_in_their_places(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.answers_to[GIF] = DAMAGED
    assert predict(client, PNG).get_json() == {"predictions": [PREDICTION]}
    response = predict(client, PNG, GIF, b"", PNG)
    first, damaged, empty, last = response.get_json()["predictions"]
    assert first == last == PREDICTION
    assert damaged == DAMAGED.body
    assert empty["type"] == "EmptyFileError"
    # If there is no answer, the first error is that of all.
    assert status_and_type(predict(client, GIF, b"")) == (400, "UnreadableImageError")


def test_a_tensor_of_files_is_answered_with_tensors(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.answers_to[GIF] = Answer(200, {**PREDICTION, "label": "ant"})
    assert infer(client, PNG, GIF).get_json() == {
        "model_name": "zoo",
        "model_version": "7.3",
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [2, 5], "data": ZEBRA + ZEBRA},
            {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["zebra", "ant"]},
        ],
    }


def test_only_the_outputs_that_are_wanted_come_with_the_identifier_of_the_request(
    client: FlaskClient,
) -> None:
    body = tensor([[FILE]], 1, 1, id="42", outputs=[{"name": "label"}])
    answer = client.post(INFER, json=body).get_json()
    assert answer["id"] == "42"
    assert [output["name"] for output in answer["outputs"]] == ["label"]


@pytest.mark.parametrize(
    "body",
    [
        tensor(
            [[[[1, 2, 3], [4, 5, 6]]], [[[7, 8, 9], [0, 0, 255]]]], 2, 1, 2, 3, datatype="UINT8"
        ),
        tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 255], 2, 1, 2, 3, datatype="UINT8"),
    ],
    ids=["nested", "flat"],
)
def test_pixels_become_files(
    client: FlaskClient, torchserve: FakeTorchServe, body: dict[str, Any]
) -> None:
    assert client.post(INFER, json=body).status_code == 200
    assert sorted(torchserve.images) == [
        b"P6 2 1 255\n\1\2\3\4\5\6",
        b"P6 2 1 255\n\7\x08\x09\0\0\xff",
    ]


def test_pixels_of_one_picture_need_no_fourth_dimension(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    body = tensor([1, 2, 3, 4, 5, 6], 2, 1, 3, datatype="UINT8")
    assert client.post(INFER, json=body).get_json()["outputs"][1]["shape"] == [1]
    assert torchserve.images == [b"P6 1 2 255\n\1\2\3\4\5\6"]


def test_the_model_and_the_server_describe_themselves(client: FlaskClient) -> None:
    assert client.get("/v1/models").get_json() == {"models": ["zoo"]}
    assert client.get("/v2").get_json().keys() == {"name", "version", "extensions"}
    assert client.get("/v2/models/zoo").get_json() == {
        "name": "zoo",
        "versions": ["7.3"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 5]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ],
        "properties": {str(index): name for index, name in enumerate(CLASSES)},
    }


MODEL = {"name": "zoo", "ready": True}
READY = {
    "/v1/models/zoo": MODEL,
    "/v2/health/ready": {"ready": True},
    "/v2/models/zoo/ready": MODEL,
    "/v2/models/zoo/versions/7.3/ready": MODEL,
}


@pytest.mark.parametrize(("path", "answer"), READY.items())
def test_a_model_is_ready_for_as_long_as_it_has_workers(
    client: FlaskClient, torchserve: FakeTorchServe, path: str, answer: dict[str, object]
) -> None:
    assert client.get(path).get_json() == answer
    torchserve.will_answer_error(503, "ServiceUnavailableException")
    torchserve.workers["7.3"] = []
    response = client.get(path)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert client.get("/v2/health/live").get_json() == {"live": True}


def test_the_address_names_the_version(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    torchserve.workers["8.0"] = ["READY"]
    answer = client.post("/v2/models/zoo/versions/8.0/infer", json=tensor([FILE], 1)).get_json()
    assert answer["model_version"] == "8.0"
    assert client.get("/v2/models/zoo/versions/8.0").get_json()["versions"] == ["7.3", "8.0"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/models/lion", 404),
        ("/v2/models/lion/infer", 404),
        ("/v2/models/zoo/versions/9.9/infer", 404),
        ("/v2/models/zoo/versions/9.9/ready", 404),
        ("/v2/nothing-here", 404),
        ("/v2/health/live", 405),
    ],
)
def test_errors_of_the_second_protocol_have_its_shape(
    client: FlaskClient, path: str, status: int
) -> None:
    method = "POST" if path.endswith(("infer", "live")) else "GET"
    body = tensor([FILE], 1)
    response = client.open(path, method=method, json=body, headers={"Accept": "text/html"})
    assert response.status_code == status
    assert response.get_json().keys() == {"error"}


def test_errors_of_the_first_protocol_have_the_usual_shape(client: FlaskClient) -> None:
    for response in (client.get("/v1/models/lion"), client.post("/v1/models/lion:predict")):
        assert status_and_type(response) == (404, "NotFoundError")


def test_an_error_says_which_picture_it_is_about(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.answers_to[GIF] = DAMAGED
    response = infer(client, PNG, GIF)
    assert response.status_code == 400
    assert response.get_json() == {"error": "Picture 1: Only 60 % of it arrived."}
    torchserve.answers_to[GIF] = error_answer(503, "ServiceUnavailableException")
    assert infer(client, GIF).headers["Retry-After"] == "1"


BROKEN_INSTANCES = [
    *(b"", b"{", b"[" * 100_000, b"[]", b'{"inputs": []}', b'{"instances": []}'),
    *(b'{"instances": {"b64": ""}}', b'{"instances": ["AAAA"]}', b'{"instances": [{"b64": 1}]}'),
    *(b'{"instances": [{"b64": "A"}]}', '{"instances": [{"b64": "Ä"}]}'.encode()),
]


@pytest.mark.parametrize("body", BROKEN_INSTANCES, ids=range(len(BROKEN_INSTANCES)))
def test_instances_of_another_shape_are_refused(client: FlaskClient, body: bytes) -> None:
    response = client.post(PREDICT, data=body)
    assert status_and_type(response) == (400, "BadRequestError")
    assert '{"instances": [{"b64": "…"}]}' in response.get_json()["message"]


BROKEN_INPUTS = [
    [],
    {},
    {"inputs": {}},
    {"inputs": tensor([FILE], 1)["inputs"] * 2},
    {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1]}]},
    tensor([], 0),
    tensor([FILE], 2),
    tensor([FILE], -1),
    tensor([FILE], -1, -1),
    tensor([FILE]),
    tensor([FILE], 1, 1, 1, 1, 1),
    {"inputs": [{**tensor([FILE])["inputs"][0], "shape": [1.0]}]},
    {"inputs": [{**tensor([FILE])["inputs"][0], "shape": "1"}]},
    tensor([1], 1),
    tensor("AAAA", 4),
    tensor(None, 1),
    tensor({"0": FILE}, 1),
    tensor([FILE], 1, datatype="FP32"),
    tensor([FILE], 1, datatype=["BYTES"]),
    tensor([1, 2, 256], 1, 1, 3, datatype="UINT8"),
    tensor([1, 2, 0.5], 1, 1, 3, datatype="UINT8"),
    tensor([[1, 2], 3], 1, 1, 3, datatype="UINT8"),
    tensor([1, 2, 3, 4], 1, 1, 4, datatype="UINT8"),
    tensor([1, 2, 3], 3, datatype="UINT8"),
    tensor([], 1, 0, 0, 3, datatype="UINT8"),
    tensor([FILE], 1, id=42),
    tensor([FILE], 1, outputs=[{"name": "score"}]),
    tensor([FILE], 1, outputs=["label"]),
    tensor([FILE], 1, outputs={}),
]


@pytest.mark.parametrize("body", BROKEN_INPUTS, ids=range(len(BROKEN_INPUTS)))
def test_inputs_of_another_shape_are_refused(client: FlaskClient, body: object) -> None:
    response = client.post(INFER, json=body)
    assert response.status_code == 400
    assert response.get_json()["error"].startswith("Send one input as JSON")


def test_tensors_in_binary_form_are_refused(client: FlaskClient) -> None:
    parameters = {"binary_data_size": len(PNG)}
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": parameters}
    text = json.dumps({"inputs": [tensor]}).encode()
    for body in (text, text + PNG):
        headers = {"Inference-Header-Content-Length": str(len(text))}
        response = client.post(INFER, data=body, headers=headers)
        assert response.status_code == 400
        assert "nothing in binary form" in response.get_json()["error"]


def test_the_limits_of_forms_hold(client: FlaskClient) -> None:
    for send in (predict, infer):
        assert send(client, *[b"x"] * 17).status_code == 413
        assert send(client, bytes(1_000_001)).status_code == 413
        assert send(client, *[bytes(900_000)] * 3).status_code == 413
    pixels = tensor([0] * 51, 17, 1, 1, 3, datatype="UINT8")
    assert client.post(INFER, json=pixels).status_code == 413


def test_pictures_of_all_protocols_count_together(client_with: CreateClient) -> None:
    client = client_with(rate_limit="6 per hour")
    assert predict(client, PNG, PNG).status_code == 200
    assert infer(client, PNG, PNG, PNG).status_code == 200
    assert upload(client).status_code == 200
    for response in (predict(client, PNG), infer(client, PNG), upload(client)):
        assert response.status_code == 429
    assert client.get("/v2/models/zoo").status_code == 200
