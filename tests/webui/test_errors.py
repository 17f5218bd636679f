"""Whatever goes wrong has one shape, as a page, as a card of it and in JSON."""

import logging
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_JSON, CARD, PNG, heading, send_body, status_and_type, upload
from webui.torchserve.client import TorchServeClient


def fail(*_arguments: object, **_options: object) -> None:
    raise RuntimeError("the secret inside")


@pytest.mark.parametrize(
    ("status", "type_name", "code", "expected_type", "expected_heading"),
    [
        (400, "UnreadableImageError", 400, "UnreadableImageError", "could not be read"),
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
    torchserve.will_answer_error(status, type_name, "<b>Why</b> & wherefore", times=3)
    page, card, answer = upload(client), upload(client, path=CARD), upload(client, accept=AS_JSON)
    assert '<a class="button" href="/">Back to the form</a>' in page.text
    assert expected_heading in heading(page)
    assert f"<title>{heading(page)} – Image classifier</title>" in page.text
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
    # It is never taken for a text with placeholders.
    message = "The file is cut short at 7 %(d)s."
    torchserve.will_answer_error(400, "UnreadableImageError", message, times=3)
    assert upload(client, accept=AS_JSON).get_json()["message"] == message
    assert f'<p class="lead">{message}</p>' in upload(client).text
    assert f'<p class="message">{message}</p>' in upload(client, path=CARD).text


def test_unknown_address_and_wrong_method_are_named(client: FlaskClient) -> None:
    answer = client.get("/nothing-here", headers=AS_JSON)
    assert status_and_type(answer) == (404, "NotFoundError")
    answer = client.delete("/predict", headers=AS_JSON)
    assert status_and_type(answer) == (405, "MethodNotAllowedError")
    assert "POST" in answer.headers["Allow"]
    assert answer.headers["Allow"] in answer.get_json()["message"]


def test_mistake_in_the_program_shows_nothing_of_its_inside(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(TorchServeClient, "predict", fail)
    answer = upload(client, accept=AS_JSON)
    assert answer.get_json()["type"] == "InternalError"
    for response in (answer, upload(client), upload(client, path=CARD), client.get("/readyz")):
        assert response.status_code == 500
        assert not re.search("secret|Traceback", response.text)
    assert caplog.text.count("RuntimeError: the secret inside") == 4


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
    sent: list[dict[str, Any]] = [{}, {"accept": AS_JSON}, {"path": CARD}]
    responses = [upload(client, content, **each) for content in (PNG, b"") for each in sent]
    responses += [send_body(client, PNG)]
    responses += [client.get(path) for path in ("/healthz", "/readyz", "/nothing-here")]
    assert {response.headers["Cache-Control"] for response in responses} == {"no-store"}
