"""Several pictures in one form: each has its answer or error, in the order in which they came."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import PREDICTION, Answer, FakeTorchServe, error_answer
from tests.helpers.sending import (
    AS_HTML,
    AS_JSON,
    CARD,
    PNG,
    filenames,
    heading,
    headings,
    part,
    send,
    upload_all,
)
from webui import create_app
from webui.settings import Settings

LABELS = ["ant", "moth", "bee", "owl", "zebra"]
DAMAGED = error_answer(400, "UnreadableImageError", "The file is cut short.")
NO_WORKER = error_answer(503, "ServiceUnavailableException")


class Meeting(Answer):
    """An answer that is only given once so many requests wait for it."""

    def __init__(self, requests: int) -> None:
        super().__init__(200, PREDICTION)
        self._together = threading.Barrier(requests, timeout=20)

    def encode(self) -> bytes:
        self._together.wait()
        return super().encode()


def picture_of(torchserve: FakeTorchServe, label: str, delay: float = 0) -> bytes:
    """Return a picture that TorchServe will call ``label``."""
    content = PNG + label.encode()
    torchserve.answers_to[content] = Answer(200, {**PREDICTION, "label": label}, delay)
    return content


def test_answers_keep_the_order_of_the_pictures(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    # The first are the last to be answered.
    delays = [0.2, 0.15, 0.1, 0.05, 0]
    pictures = [picture_of(torchserve, *each) for each in zip(LABELS, delays, strict=True)]
    response = upload_all(client, *pictures, accept=AS_JSON)
    assert response.status_code == 200
    assert list(response.get_json()) == ["predictions"]
    assert [answer["label"] for answer in response.get_json()["predictions"]] == LABELS
    assert headings(upload_all(client, *pictures), 2) == LABELS


def test_bad_pictures_hide_no_others(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    damaged = PNG + b"damaged"
    torchserve.answers_to[damaged] = DAMAGED
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
    assert filenames(page) == [f"{index}.png" for index in range(5)]


def test_without_any_answer_the_status_is_that_of_the_first_error(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    pictures = [bytes(1_000_001), b"", PNG]
    torchserve.answers_to[PNG] = DAMAGED
    page = upload_all(client, *pictures)
    assert page.status_code == 413
    assert len(headings(page, 2)) == 3
    answer = upload_all(client, *pictures, accept=AS_JSON)
    assert answer.status_code == 413
    assert set(answer.get_json()) == {"code", "type", "message"}
    assert answer.get_json()["type"] == "UploadTooLargeError"


@pytest.mark.parametrize("accept", [AS_HTML, AS_JSON])
def test_without_any_answer_the_first_error_says_when_to_come_back(
    client: FlaskClient, torchserve: FakeTorchServe, accept: dict[str, str]
) -> None:
    torchserve.answers_to[PNG] = NO_WORKER
    for path in ("/predict", CARD):
        response = upload_all(client, PNG, PNG, accept=accept, path=path)
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("accept", [AS_HTML, AS_JSON])
@pytest.mark.parametrize("others", [[], [PNG + b"ant"]])
def test_mistakes_of_the_server_are_logged_once_each(
    client: FlaskClient,
    torchserve: FakeTorchServe,
    caplog: pytest.LogCaptureFixture,
    accept: dict[str, str],
    others: list[bytes],
) -> None:
    torchserve.answers_to[PNG] = NO_WORKER
    with caplog.at_level(logging.WARNING):
        upload_all(client, PNG, *others, b"", PNG, accept=accept)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert all("OverloadedError" in message for message in caplog.messages)


def test_files_without_a_name_do_not_count_as_pictures(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    chosen = {0, 7, 15}
    parts = [part("image", PNG, "a.png" if index in chosen else "") for index in range(16)]
    assert len(send(client, *parts).get_json()["predictions"]) == len(chosen)
    assert len(torchserve.images) == len(chosen)
    assert send(client, *parts[1:8]).get_json()["label"] == "zebra"


def test_many_people_with_many_pictures_leave_no_warning(
    settings: Settings, torchserve: FakeTorchServe, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(replace(settings, rate_limit="unlimited"))
    torchserve.answers_to[PNG] = Meeting(32)

    def post(_person: int) -> int:
        return upload_all(app.test_client(), *[PNG] * 4, accept=AS_JSON).status_code

    # As many as the server has threads.
    with ThreadPoolExecutor(8) as people:
        assert list(people.map(post, range(8))) == [200] * 8
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
