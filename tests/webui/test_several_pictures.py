"""Several pictures in one form: each has its answer or error, in the order in which they came."""

import logging
import re
import threading
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.webui.conftest import PREDICTION, Answer, FakeTorchServe, error_answer
from tests.webui.sending import AS_JSON, PNG, heading, headings, part, send, upload_all
from webui import create_app
from webui.settings import Settings
from webui.torchserve_client import TorchServeClient

LABELS = ["ant", "moth", "bee", "owl", "zebra"]
DAMAGED = error_answer(400, "UnreadableImageError", "The file is cut short.")
NO_WORKER = error_answer(503, "ServiceUnavailableException")


def picture_of(torchserve: FakeTorchServe, label: str, delay: float = 0) -> bytes:
    """Return a picture that TorchServe will call `label`."""
    content = PNG + label.encode()
    torchserve.will_answer_to(content, Answer(200, {**PREDICTION, "label": label}, delay))
    return content


def test_answers_keep_the_order_of_the_pictures(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    # The first are the last to be answered.
    delays = [0.4, 0.3, 0.2, 0.1, 0]
    pictures = [picture_of(torchserve, *each) for each in zip(LABELS, delays, strict=True)]
    response = upload_all(client, *pictures, accept=AS_JSON)
    assert response.status_code == 200
    assert list(response.get_json()) == ["predictions"]
    assert [answer["label"] for answer in response.get_json()["predictions"]] == LABELS
    assert headings(upload_all(client, *pictures), 2) == LABELS


def test_pictures_are_asked_for_at_once(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    together = threading.Barrier(4, timeout=10)

    class Meeting(Answer):
        def encode(self) -> bytes:
            together.wait()
            return super().encode()

    pictures = [picture_of(torchserve, label) for label in LABELS[:4]]
    for picture in pictures:
        torchserve.will_answer_to(picture, Meeting(200, PREDICTION))
    assert upload_all(client, *pictures, accept=AS_JSON).status_code == 200
    assert not together.broken


def test_bad_pictures_hide_no_others(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    damaged = PNG + b"damaged"
    torchserve.will_answer_to(damaged, DAMAGED)
    pictures = [
        b"",
        picture_of(torchserve, "ant"),
        damaged,
        bytes(1_000_001),
        picture_of(torchserve, "owl"),
    ]
    expected = ["EmptyFileError", "ant", "UnreadableImageError", "UploadTooLargeError", "owl"]

    response = upload_all(client, *pictures, accept=AS_JSON)
    answers = response.get_json()["predictions"]
    assert response.status_code == 200
    assert [answer.get("label", answer.get("type")) for answer in answers] == expected
    assert answers[2] == DAMAGED.body

    page = upload_all(client, *pictures)
    assert page.status_code == 200
    assert heading(page) == "2 answers"
    assert "5 pictures were sent." in page.text
    assert headings(page, 2) == [
        "That file is empty",
        "ant",
        "That picture could not be read",
        "That picture is too large",
        "owl",
    ]
    assert re.findall(r'class="filename">(.*?)</span>', page.text) == [
        f"{index}.png" for index in range(5)
    ]


def test_without_any_answer_the_status_is_that_of_the_first_error(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    pictures = [bytes(1_000_001), b"", PNG]
    torchserve.will_answer_to(PNG, DAMAGED)
    page = upload_all(client, *pictures)
    assert page.status_code == 413
    assert len(headings(page, 2)) == 3
    answer = upload_all(client, *pictures, accept=AS_JSON)
    assert answer.status_code == 413
    assert set(answer.get_json()) == {"code", "type", "message"}
    assert answer.get_json()["type"] == "UploadTooLargeError"


@pytest.mark.parametrize("accept", [{"Accept": "text/html"}, AS_JSON])
@pytest.mark.parametrize("path", ["/predict", "/predict?as=card"])
def test_without_any_answer_the_first_error_says_when_to_come_back(
    client: FlaskClient, torchserve: FakeTorchServe, accept: dict[str, str], path: str
) -> None:
    torchserve.will_answer_to(PNG, NO_WORKER)
    response = upload_all(client, PNG, PNG, accept=accept, path=path)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("accept", [{"Accept": "text/html"}, AS_JSON])
@pytest.mark.parametrize("others", [[], [PNG + b"ant"]])
def test_mistakes_of_the_server_are_logged_once_each(
    client: FlaskClient,
    torchserve: FakeTorchServe,
    caplog: pytest.LogCaptureFixture,
    accept: dict[str, str],
    others: list[bytes],
) -> None:
    torchserve.will_answer_to(PNG, NO_WORKER)
    with caplog.at_level(logging.WARNING):
        upload_all(client, PNG, *others, b"", PNG, accept=accept)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert all("OverloadedError" in message for message in caplog.messages)


def test_a_mistake_in_the_program_hides_no_other_answer(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    predict = TorchServeClient.predict

    def fail_for_one(asker: TorchServeClient, image: bytes, **options: Any) -> object:
        if image == b"unlucky":
            message = "the secret inside"
            raise RuntimeError(message)
        return predict(asker, image, **options)

    monkeypatch.setattr(TorchServeClient, "predict", fail_for_one)
    response = upload_all(client, PNG, b"unlucky", accept=AS_JSON)
    answer, error = response.get_json()["predictions"]
    assert (answer["label"], error["type"], error["code"]) == ("zebra", "InternalError", 500)
    assert "secret" not in response.text
    assert "the secret inside" in caplog.text
    assert upload_all(client, b"unlucky", b"unlucky").status_code == 500


def test_files_without_a_name_are_no_pictures(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    chosen = {0, 7, 15}
    parts = [part("image", PNG, "a.png" if index in chosen else "") for index in range(16)]
    assert len(send(client, *parts, accept=AS_JSON).get_json()["predictions"]) == len(chosen)
    assert len(torchserve.images) == len(chosen)


def test_one_picture_among_files_without_a_name_is_answered_as_one(client: FlaskClient) -> None:
    parts = [part("image", b"", ""), part("image", PNG, "a.png"), part("image", b"", "")]
    assert send(client, *parts, accept=AS_JSON).get_json()["label"] == "zebra"


def test_many_people_with_many_pictures_leave_no_warning(
    settings: Settings, torchserve: FakeTorchServe, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(replace(settings, rate_limit="unlimited"))
    together = threading.Barrier(32, timeout=20)

    class Meeting(Answer):
        def encode(self) -> bytes:
            together.wait()
            return super().encode()

    torchserve.will_answer_to(PNG, Meeting(200, PREDICTION))
    statuses: list[int] = []

    def post() -> None:
        response = upload_all(app.test_client(), *[PNG] * 4, accept=AS_JSON)
        statuses.append(response.status_code)

    # As many as the server has threads.
    people = [threading.Thread(target=post) for _ in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join(30)
    assert statuses == [200] * 8
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
