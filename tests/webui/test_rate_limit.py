"""One address can only send so many pictures in a time."""

import logging
import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from tests.webui.conftest import FakeTorchServe
from tests.webui.sending import (
    AS_HTML,
    AS_JSON,
    PNG,
    heading,
    send_body,
    status_and_type,
    upload,
    upload_all,
)
from webui import create_app
from webui.settings import Settings


@pytest.fixture
def limited(settings: Settings) -> FlaskClient:
    """A web UI that takes three pictures."""
    return create_app(replace(settings, rate_limit="3 per hour")).test_client()


def use_up(client: FlaskClient) -> None:
    assert upload_all(client, PNG, PNG, PNG).status_code == 200


def test_pictures_are_counted_and_not_requests(
    limited: FlaskClient, torchserve: FakeTorchServe
) -> None:
    assert upload_all(limited, PNG, PNG, accept=AS_JSON).status_code == 200
    assert send_body(limited, PNG).status_code == 200
    assert status_and_type(send_body(limited, PNG)) == (429, "RateLimitError")
    assert len(torchserve.images) == 3


def test_pictures_beyond_the_limit_are_refused_together(
    limited: FlaskClient, torchserve: FakeTorchServe
) -> None:
    assert upload(limited).status_code == 200
    response = upload_all(limited, PNG, PNG, PNG, accept=AS_JSON)
    assert status_and_type(response) == (429, "RateLimitError")
    assert len(torchserve.images) == 1


def test_more_pictures_than_are_ever_taken_need_not_wait(limited: FlaskClient) -> None:
    answer = upload_all(limited, PNG, PNG, PNG, PNG, accept=AS_JSON)
    assert status_and_type(answer) == (413, "TooManyPicturesError")
    assert "At most 3 pictures" in answer.get_json()["message"]
    assert "Retry-After" not in answer.headers


def test_pictures_that_cannot_be_read_count_too(limited: FlaskClient) -> None:
    for _ in range(3):
        assert upload(limited, b"").status_code == 400
    assert upload(limited).status_code == 429


def test_the_error_says_when_to_come_back(limited: FlaskClient) -> None:
    use_up(limited)
    page = upload(limited)
    card = upload(limited, path="/predict?as=card")
    answer = upload(limited, accept=AS_JSON)
    assert heading(page) == "Too many pictures in a short time"
    assert heading(card, 2) == heading(page)
    assert card.text.strip().startswith("<article ")
    assert status_and_type(answer) == (429, "RateLimitError")
    for response in (page, card, answer):
        assert response.status_code == 429
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        (seconds,) = re.findall(r"Go on in ([0-9]+) s", response.text)
        assert response.headers["Retry-After"] == seconds
        assert 1 <= int(seconds) <= 3600


def test_after_that_time_it_goes_on(settings: Settings) -> None:
    client = create_app(replace(settings, rate_limit="1 per second")).test_client()
    statuses = [upload(client).status_code for _ in range(20)]
    while statuses[-1] != 200:
        statuses.append(upload(client).status_code)
    # The twenty may have met several seconds.
    assert set(statuses) == {200, 429}


def test_other_addresses_are_not_limited(limited: FlaskClient) -> None:
    use_up(limited)
    for path, status in (
        ("/", 200),
        ("/predict", 303),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/static/style.css", 200),
        ("/nothing-here", 404),
    ):
        for _ in range(5):
            with limited.get(path) as response:
                assert response.status_code == status


def test_what_is_refused_before_does_not_count(limited: FlaskClient) -> None:
    for _ in range(5):
        assert send_from_elsewhere(limited) == 403
        assert upload(limited, bytes(5_000_000)).status_code == 413
    use_up(limited)


def send_from_elsewhere(client: FlaskClient) -> int:
    return upload(client, accept={**AS_HTML, "Sec-Fetch-Site": "cross-site"}).status_code


def test_each_address_has_a_limit_of_its_own(limited: FlaskClient) -> None:
    use_up(limited)
    assert upload(limited).status_code == 429
    limited.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    use_up(limited)


def test_nobody_can_pretend_to_be_somebody_else(limited: FlaskClient) -> None:
    use_up(limited)
    assert upload(limited, accept={"X-Forwarded-For": "192.0.2.7"}).status_code == 429


def test_each_app_counts_for_itself(settings: Settings, limited: FlaskClient) -> None:
    use_up(limited)
    use_up(create_app(replace(settings, rate_limit="3 per hour")).test_client())
    assert upload(limited).status_code == 429


def test_the_limit_can_be_lifted(settings: Settings) -> None:
    client = create_app(replace(settings, rate_limit="unlimited")).test_client()
    # Twice what is taken in a minute.
    for _ in range(600):
        assert upload(client, b"").status_code == 400


def test_several_limits_hold_together(settings: Settings) -> None:
    rate = "2 per hour; 100 per day"
    client = create_app(replace(settings, rate_limit=rate)).test_client()
    statuses = [upload(client).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_refusals_are_not_logged_as_mistakes(
    limited: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    use_up(limited)
    with caplog.at_level(logging.WARNING):
        upload(limited)
    assert caplog.messages == []
