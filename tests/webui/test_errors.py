"""Whatever goes wrong has one shape, as a page, as a card of it and in JSON."""

import logging
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from tests.webui.conftest import WORKER_DIED, FakeTorchServe
from tests.webui.sending import (
    AS_HTML,
    AS_JSON,
    PNG,
    heading,
    part,
    send,
    status_and_type,
    upload,
)
from webui import create_app
from webui.settings import Settings
from webui.torchserve_client import TorchServeClient

CARD = "/predict?as=card"


@pytest.mark.parametrize(
    ("status", "type_name", "code", "expected_type", "expected_heading"),
    [
        (400, "UnreadableImageError", 400, "UnreadableImageError", "could not be read"),
        (400, "EmptyBodyError", 400, "EmptyBodyError", "could not be read"),
        (400, "InvalidRequestError", 400, "InvalidRequestError", "could not be read"),
        (400, "InvalidParameterError", 400, "InvalidParameterError", "could not be read"),
        (413, "ImageTooLargeError", 413, "ImageTooLargeError", "too large"),
        (413, "TooManyInstancesError", 413, "TooManyInstancesError", "could not be read"),
        (415, "UnsupportedFormatError", 415, "UnsupportedFormatError", "that kind of file"),
        (404, "ModelNotFoundException", 503, "ModelNotReadyError", "not ready"),
        (503, "ServiceUnavailableException", 503, "OverloadedError", "Too many pictures"),
        (500, "InternalServerException", 502, "ModelServerError", "made a mistake"),
    ],
)
def test_errors_of_the_model_server_have_a_page_a_card_and_json(  # noqa: PLR0913, PLR0917
    client: FlaskClient,
    torchserve: FakeTorchServe,
    status: int,
    type_name: str,
    code: int,
    expected_type: str,
    expected_heading: str,
) -> None:
    for _ in range(3):
        torchserve.will_answer_error(status, type_name, "<b>Why</b> & wherefore")
    page, card, answer = upload(client), upload(client, path=CARD), upload(client, accept=AS_JSON)
    assert '<a class="button" href="/">Back to the form</a>' in page.text
    assert expected_heading in heading(page)
    assert expected_heading in heading(card, 2)
    assert card.text.strip().startswith("<article ")
    for response in (page, card):
        assert response.status_code == code
        assert f"<code>{expected_type}</code>" in response.text
        assert f"Error {code}" in response.text
        assert "<b>" not in response.text
    assert status_and_type(answer) == (code, expected_type)
    for response in (page, card, answer):
        assert ("Retry-After" in response.headers) == (code == 503)


def test_handlers_message_is_passed_through(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    for _ in range(3):
        torchserve.will_answer_error(400, "UnreadableImageError", "The file is cut short.")
    assert upload(client, accept=AS_JSON).get_json()["message"] == "The file is cut short."
    assert '<p class="lead">The file is cut short.</p>' in upload(client).text
    assert '<p class="message">The file is cut short.</p>' in upload(client, path=CARD).text


@pytest.mark.parametrize(
    ("content", "name", "code", "type_name"),
    [
        (b"", "", 400, "NoFileError"),
        (b"", "cat.png", 400, "EmptyFileError"),
        (bytes(1_000_001), "cat.png", 413, "UploadTooLargeError"),
        (bytes(5_000_000), "cat.png", 413, "UploadsTooLargeError"),
    ],
)
def test_errors_from_before_the_model_have_a_card_too(
    client: FlaskClient, content: bytes, name: str, code: int, type_name: str
) -> None:
    card = upload(client, content, name, path=CARD)
    assert card.status_code == code
    assert card.text.strip().startswith("<article ")
    assert card.text.count("<article") == 1
    assert f"<code>{type_name}</code>" in card.text


def test_errors_of_every_kind_of_request_have_a_card(client: FlaskClient) -> None:
    for response, code in (
        (client.post(CARD, data=b"{}", content_type="application/json"), 415),
        (send(client, *[part("image", PNG, "a.png")] * 17, accept=AS_HTML, path=CARD), 413),
        (client.post(CARD, headers={"Sec-Fetch-Site": "cross-site"}), 403),
        (client.delete(CARD), 405),
        (client.get("/nothing-here?as=card"), 404),
    ):
        assert response.status_code == code
        assert response.text.strip().startswith("<article ")
        assert f"Error {code}" in response.text


def test_workers_that_die_one_after_another_are_a_reason_to_come_back(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    for _ in range(2):
        torchserve.will_answer_error(507, "InternalServerException", WORKER_DIED)
    response = upload(client, accept=AS_JSON)
    assert status_and_type(response) == (503, "ModelNotReadyError")
    assert response.headers["Retry-After"] == "5"


def test_an_overloaded_model_is_ready(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    torchserve.will_answer_error(503, "ServiceUnavailableException")
    overloaded = upload(client, accept=AS_JSON)
    assert overloaded.get_json()["type"] == "OverloadedError"
    assert overloaded.headers["Retry-After"] == "1"
    assert client.get("/readyz").status_code == 200


def test_slow_model_server_is_a_gateway_timeout(
    settings: Settings, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, torchserve.prediction, delay=0.6)
    client = create_app(replace(settings, torchserve_timeout_seconds=0.2)).test_client()
    response = upload(client, accept=AS_JSON)
    assert status_and_type(response) == (504, "ModelServerTimeoutError")
    assert "within 0.2 seconds" in response.get_json()["message"]


def test_stopped_model_server_is_a_bad_gateway_that_says_what_to_do(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.key_file.unlink()
    response = upload(client)
    assert response.status_code == 502
    assert "make serve" in response.text


def test_unknown_address_is_not_found(client: FlaskClient) -> None:
    assert client.get("/nothing-here").status_code == 404
    answer = client.get("/nothing-here", headers=AS_JSON)
    assert status_and_type(answer) == (404, "NotFoundError")


def test_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    response = client.delete("/predict", headers=AS_JSON)
    assert status_and_type(response) == (405, "MethodNotAllowedError")
    assert "POST" in response.headers["Allow"]


def test_mistake_in_the_program_shows_nothing_of_its_inside(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        message = "the secret inside"
        raise RuntimeError(message)

    monkeypatch.setattr(TorchServeClient, "predict", fail)
    page, card, answer = upload(client), upload(client, path=CARD), upload(client, accept=AS_JSON)
    assert answer.get_json()["type"] == "InternalError"
    for response in (page, card, answer):
        assert response.status_code == 500
        assert "secret" not in response.text
        assert "Traceback" not in response.text
    assert caplog.text.count("RuntimeError: the secret inside") == 3


def test_mistakes_of_those_who_send_are_not_logged(
    client: FlaskClient, torchserve: FakeTorchServe, caplog: pytest.LogCaptureFixture
) -> None:
    torchserve.will_answer_error(415, "UnsupportedFormatError")
    with caplog.at_level(logging.INFO):
        assert upload(client).status_code == 415
        assert upload(client, b"").status_code == 400
        assert client.get("/nothing-here").status_code == 404
    assert caplog.messages == []


def test_results_and_errors_are_not_stored(client: FlaskClient) -> None:
    responses = [upload(client), upload(client, accept=AS_JSON), upload(client, b"")]
    responses += [upload(client, path=CARD), upload(client, b"", path=CARD)]
    responses += [client.get("/healthz"), client.get("/readyz"), client.get("/nothing-here")]
    assert {response.headers["Cache-Control"] for response in responses} == {"no-store"}


def test_an_error_shows_its_own_words_alone(client: FlaskClient) -> None:
    for path in ("/predict", CARD):
        text = upload(client, b"", path=path).text
        assert not re.search(r"None|%\(|&lt;|l'", text)
