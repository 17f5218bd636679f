"""One address can only send so many pictures in a time."""

import logging
import re

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
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
from tests.webui.conftest import CreateClient


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
    assert "At most 3 pictures" in answer.get_json()["message"]
    assert "Retry-After" not in answer.headers


def test_pictures_that_cannot_be_read_count_too(limited: FlaskClient) -> None:
    for _ in range(3):
        assert upload(limited, b"").status_code == 400
    assert upload(limited).status_code == 429


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


def test_after_that_time_it_goes_on(client_with: CreateClient) -> None:
    client = client_with(rate_limit="1 per second")
    # These may meet several seconds, but hardly one each.
    statuses = [upload(client, b"").status_code for _ in range(20)]
    while statuses[-1] != 400:
        statuses.append(upload(client, b"").status_code)
    assert set(statuses) == {400, 429}


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


def test_each_app_counts_for_itself(client_with: CreateClient, limited: FlaskClient) -> None:
    use_up(limited)
    use_up(client_with(rate_limit="3 per hour"))
    assert upload(limited).status_code == 429


def test_the_limit_can_be_lifted(client_with: CreateClient) -> None:
    client = client_with(rate_limit="unlimited", max_pictures=400)
    # More than the default accepts in a minute.
    assert upload_all(client, *[b""] * 400).status_code == 400


def test_several_limits_hold_together(client_with: CreateClient) -> None:
    client = client_with(rate_limit="2 per hour; 100 per day")
    statuses = [upload(client).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
