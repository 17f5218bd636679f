"""Which parts of a picture count for its answer, as the page's script asks."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import EXPLANATION, PREDICTION, FakeTorchServe, Held
from tests.helpers.pictures import RED
from tests.helpers.sending import AS_HTML, PNG, send_body, status_and_type, upload_all
from tests.helpers.waiting import wait_until
from tests.webui.conftest import CreateClient
from webui.pictures.uploads import EXPLANATION_WORK

PATH = "/explain"


def test_the_answer_is_torchserves_in_json(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    torchserve.workers["8.0"] = ["READY"]
    sent = (
        upload_all(client, PNG, accept=AS_HTML, path=PATH),
        client.post(f"{PATH}?version=8.0", data=PNG, content_type="image/png"),
    )
    for response, version in zip(sent, ("7.3", "8.0"), strict=True):
        assert response.status_code == 200
        assert response.get_json() == {
            **PREDICTION,
            "model": {"name": "zoo", "version": version},
            "explanation": EXPLANATION,
        }
        assert response.headers["Cache-Control"] == "no-store"
    assert torchserve.images == [PNG, PNG]
    assert torchserve.doors == ["explanations"] * 2


def test_several_pictures_are_not_explained_at_once(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    response = upload_all(client, PNG, PNG, accept=AS_HTML, path=PATH)
    assert status_and_type(response) == (413, "TooManyPicturesError")
    assert torchserve.images == []


def test_an_explanation_counts_as_many_pictures(client_with: CreateClient) -> None:
    client = client_with(rate_limit=f"{EXPLANATION_WORK + 2} per hour")
    assert upload_all(client, RED, path=PATH).status_code == 200
    assert send_body(client, RED).status_code == 200
    assert status_and_type(send_body(client, RED)) == (429, "RateLimitError")


def test_explanations_go_to_torchserve_one_at_a_time(
    app: Flask, torchserve: FakeTorchServe
) -> None:
    held = torchserve.answers_to[RED] = Held({**PREDICTION, "explanation": {}})
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(upload_all, app.test_client(), RED, path=PATH) for _ in range(3)]
        wait_until(lambda: torchserve.images and app.extensions["admission"].running == 3)
        assert send_body(app.test_client(), PNG).status_code == 200
        assert torchserve.images == [RED, PNG]
        held.released.set()
        assert {future.result().status_code for future in futures} == {200}


@pytest.mark.parametrize("sent", [b"", PNG])
def test_errors_are_in_json_too(
    client: FlaskClient, torchserve: FakeTorchServe, sent: bytes
) -> None:
    torchserve.will_answer_error(415, "UnsupportedFormatError")
    response = upload_all(client, sent, accept=AS_HTML, path=PATH)
    expected = (415, "UnsupportedFormatError") if sent else (400, "EmptyFileError")
    assert status_and_type(response) == expected


def test_an_archive_without_explanations_is_named(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, PREDICTION)
    response = upload_all(client, PNG, path=PATH)
    assert status_and_type(response) == (502, "ModelServerError")
    assert "packed again" in response.get_json()["message"]
