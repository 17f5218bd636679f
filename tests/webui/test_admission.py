"""One address can only send so much in a time, and only so much is done at once."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.helpers.fake_torchserve import FakeTorchServe, Held
from tests.helpers.pictures import RED, encode
from tests.helpers.sending import (
    AS_HTML,
    AS_JSON,
    CARD,
    PNG,
    heading,
    send_body,
    status_and_type,
    upload,
    upload_all,
)
from tests.helpers.waiting import wait_until
from tests.webui.conftest import CreateClient
from webui.admission import MOST_ACCEPTED
from webui.pictures.uploads import Upload

HEAVY = encode(Image.new("L", (4000, 4000)))


@pytest.fixture
def limited(client_with: CreateClient) -> FlaskClient:
    """A web UI that accepts three pictures."""
    return client_with(rate_limit="3 per hour")


def use_up(client: FlaskClient) -> None:
    assert upload_all(client, PNG, PNG, PNG).status_code == 200


def test_pictures_are_counted_and_not_requests(
    limited: FlaskClient, torchserve: FakeTorchServe
) -> None:
    assert upload_all(limited, PNG, PNG, accept=AS_JSON).status_code == 200
    assert send_body(limited, PNG).status_code == 200
    assert status_and_type(send_body(limited, PNG)) == (429, "RateLimitError")
    assert len(torchserve.images) == 3


def test_large_pictures_count_as_several(
    client_with: CreateClient, torchserve: FakeTorchServe
) -> None:
    client = client_with(rate_limit="30 per hour")
    large = encode(Image.new("RGB", (5000, 4000)), "WEBP", lossless=True, method=0)
    assert len(large) < 100
    for _ in range(9):
        assert send_body(client, RED).status_code == 200
    assert send_body(client, large).status_code == 200
    assert status_and_type(send_body(client, RED)) == (429, "RateLimitError")
    assert len(torchserve.images) == 10


def test_what_may_be_sent_at_all_is_accepted_of_an_address_that_sent_nothing(
    limited: FlaskClient,
) -> None:
    assert upload_all(limited, HEAVY, HEAVY, HEAVY).status_code == 200
    assert upload(limited).status_code == 429


def test_pictures_beyond_the_limit_are_refused_together(
    limited: FlaskClient, torchserve: FakeTorchServe
) -> None:
    assert upload(limited).status_code == 200
    response = upload_all(limited, PNG, PNG, PNG, accept=AS_JSON)
    assert status_and_type(response) == (429, "RateLimitError")
    assert len(torchserve.images) == 1


def test_more_pictures_than_are_ever_accepted_need_not_wait(limited: FlaskClient) -> None:
    answer = upload_all(limited, PNG, PNG, PNG, PNG, accept=AS_JSON)
    assert status_and_type(answer) == (413, "TooManyPicturesError")
    assert "limited to 3" in answer.get_json()["message"]
    assert "Retry-After" not in answer.headers


def test_the_error_says_when_to_come_back(
    limited: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    use_up(limited)
    with caplog.at_level(logging.WARNING):
        page = upload(limited)
        card = upload(limited, path=CARD)
        answer = upload(limited, accept=AS_JSON)
    assert caplog.messages == []
    assert heading(page) == heading(card, 2) == "Too many pictures in a short time"
    assert card.text.strip().startswith("<article ")
    assert status_and_type(answer) == (429, "RateLimitError")
    for response in (page, card, answer):
        assert response.status_code == 429
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        (seconds,) = re.findall(r"Go on in ([0-9]+) s", response.text)
        assert response.headers["Retry-After"] == seconds
        assert 1 <= int(seconds) <= 3600


def test_other_addresses_are_not_limited(limited: FlaskClient) -> None:
    use_up(limited)
    for path, status in (
        ("/", 200),
        ("/predict", 303),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/static/styles/base.css", 200),
        ("/nothing-here", 404),
    ):
        for _ in range(5):
            with limited.get(path) as response:
                assert response.status_code == status


def test_what_is_refused_before_does_not_count(limited: FlaskClient) -> None:
    for _ in range(2):
        elsewhere = upload_all(limited, PNG, PNG, accept={"Sec-Fetch-Site": "cross-site"})
        assert elsewhere.status_code == 403
        assert upload(limited, bytes(5_000_000)).status_code == 413
    use_up(limited)


def test_each_address_has_a_limit_of_its_own(limited: FlaskClient) -> None:
    use_up(limited)
    assert upload(limited).status_code == 429
    # Nobody can pretend to be somebody else.
    pretending = {**AS_HTML, "X-Forwarded-For": "192.0.2.7"}
    assert upload(limited, accept=pretending).status_code == 429
    limited.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    use_up(limited)


def test_the_limit_can_be_lifted(client_with: CreateClient) -> None:
    client = client_with(rate_limit="unlimited", max_pictures=400)
    # More than the default accepts in a minute.
    assert upload_all(client, *[b""] * 400).status_code == 400


def test_one_address_leaves_room_for_the_others(app: Flask, torchserve: FakeTorchServe) -> None:
    held = torchserve.answers_to[PNG] = Held()
    other = app.test_client()
    other.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    count = MOST_ACCEPTED[1] + 8
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(send_body, app.test_client(), PNG) for _ in range(count)]
        wait_until(lambda: sum(future.done() for future in futures) == 8)
        assert send_body(other, RED).status_code == 200
        held.released.set()
        answers = [future.result() for future in futures]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) == 8
    for answer in refused:
        assert status_and_type(answer) == (503, "OverloadedError")
        assert answer.headers["Retry-After"] == "1"


def test_large_pictures_go_to_torchserve_one_at_a_time(
    app: Flask, torchserve: FakeTorchServe
) -> None:
    held = torchserve.answers_to[HEAVY] = Held()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(send_body, app.test_client(), HEAVY) for _ in range(3)]
        wait_until(lambda: torchserve.images and app.extensions["admission"].running == 3)
        assert send_body(app.test_client(), RED).status_code == 200
        assert torchserve.images == [HEAVY, RED]
        held.released.set()
        assert {future.result().status_code for future in futures} == {200}


def test_a_turn_that_never_comes_is_a_refusal(
    client_with: CreateClient, torchserve: FakeTorchServe
) -> None:
    client = client_with(torchserve_timeout_seconds=0.3)
    with client.application.extensions["admission"].sending(Upload("", HEAVY)):
        answer = send_body(client, HEAVY)
    assert status_and_type(answer) == (503, "OverloadedError")
    assert torchserve.images == []
    assert send_body(client, HEAVY).status_code == 200
