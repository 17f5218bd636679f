"""The addresses for whatever monitors the program."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_HTML, AS_JSON, status_and_type, upload


def test_healthz_does_not_depend_on_torchserve(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.key_file.unlink()
    response = client.get("/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok"})


def test_readyz_is_ready_when_the_model_answers(client: FlaskClient) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json) == (200, {"status": "ready"})


@pytest.mark.parametrize("accept", [AS_JSON, AS_HTML])
@pytest.mark.parametrize("path", ["/readyz", "/readyz?as=card"])
def test_readyz_is_an_error_in_json_otherwise(
    client: FlaskClient, torchserve: FakeTorchServe, accept: dict[str, str], path: str
) -> None:
    torchserve.will_answer_error(503, "ServiceUnavailableException")
    torchserve.workers["7.3"] = ["UNLOADING"]
    response = client.get(path, headers=accept)
    assert status_and_type(response) == (503, "ModelNotReadyError")


def test_a_server_that_is_about_to_stop_is_not_ready_and_takes_no_pictures(
    app: Flask, client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    app.extensions["admission"].stopping.set()
    for response in (client.get("/readyz"), upload(client, accept=AS_JSON)):
        assert status_and_type(response) == (503, "StoppingError")
        assert response.headers["Retry-After"] == "5"
    for path in ("/v1/models/zoo", "/v2/health/ready", "/v2/models/zoo/ready"):
        response = client.get(path)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        assert "about to stop" in response.text
    assert client.get("/healthz").status_code == 200
    assert torchserve.images == []
