"""What the start page says of the model, and the examples that the archive brings along."""

import re
from time import monotonic

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import CARD, FakeTorchServe
from tests.helpers.sending import AS_JSON
from webui.torchserve import descriptions

EXAMPLES = [{"name": "moth", "webp": "UklGRg=="}, {"name": '"><script>', "webp": '">'}]


def introduction_of(page: str) -> str | None:
    found = re.search(r'<p class="knowledge">(.*?)</p>', page, re.DOTALL)
    return " ".join(re.sub("<[^>]*>", "", found[1]).split()) if found else None


def test_it_names_the_classes_says_how_good_the_model_is_and_leads_to_the_card(
    client: FlaskClient,
) -> None:
    page = client.get("/?version=7.3").text
    text = "It knows 2 things: zebra and ant. It named about 88 in 100 test images rightly."
    assert introduction_of(page) == f"{text} What the model knows"
    assert re.search(r'<a href="/model\?version=7.3">What', page)


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 thing: 1."), (12, "11, and 12."), (13, "12, and 13."), (120, "12, and 108 more.")],
)
def test_of_many_classes_the_first_dozen_is_named(
    client: FlaskClient, torchserve: FakeTorchServe, count: int, words: str
) -> None:
    torchserve.card = {**CARD, "class_names": [str(number + 1) for number in range(count)]}
    text = introduction_of(client.get("/").text) or ""
    assert f"{words} It named" in text


@pytest.mark.parametrize(
    ("accuracy", "images", "words"),
    [(0.9996, 5000, "99 in 100"), (1, 5000, "100 in 100"), (0.75, 12, "9 in 12"), (None, 12, "")],
)
def test_the_accuracy_claims_no_more_than_was_measured(
    client: FlaskClient, torchserve: FakeTorchServe, accuracy: float | None, images: int, words: str
) -> None:
    torchserve.card = {**CARD, "test_accuracy": accuracy, "test_images": images}
    text = introduction_of(client.get("/").text) or ""
    assert (f"about {words} test images" in text) == bool(words)
    assert ("rightly" in text) == bool(words)


@pytest.mark.parametrize("state", ["away", "starting", "slow", "without a card"])
def test_the_page_comes_at_once_without_what_torchserve_does_not_say(
    client: FlaskClient, torchserve: FakeTorchServe, state: str
) -> None:
    match state:
        case "away":
            torchserve.stop()
        case "starting":
            torchserve.workers = {"7.3": ["UNLOADED"]}
        case "slow":
            torchserve.description_delay = 5
        case _:
            torchserve.card = "no card"
    started = monotonic()
    response = client.get("/")
    assert response.status_code == 200
    assert introduction_of(response.text) is None
    assert "<form" in response.text
    assert monotonic() - started < 3


def test_a_description_is_asked_for_once_a_minute(
    client: FlaskClient, torchserve: FakeTorchServe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        client.get("/")
    assert torchserve.descriptions == 1
    later = monotonic() + descriptions.NEW_SECONDS
    monkeypatch.setattr(descriptions, "monotonic", lambda: later)
    torchserve.card = {**CARD, "class_names": ["owl"]}
    assert "owl" in (introduction_of(client.get("/").text) or "")
    assert torchserve.descriptions == 2


def test_the_examples_are_shown_as_pictures_and_names_as_text(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    card = {**CARD, "class_names": ["zebra", "<script>"]}
    torchserve.card = {**card, "examples": EXAMPLES}
    page = client.get("/").text
    assert '<img src="data:image/webp;base64,UklGRg==" alt="moth">' in page
    assert 'data-name="moth.webp"' in page
    assert "things: zebra and &lt;script&gt;." in page
    assert "<script>" not in page
    assert 'base64,&#34;&gt;" alt="&#34;&gt;&lt;script&gt;"' in page
    # They are no part of the card itself.
    assert client.get("/model", headers=AS_JSON).get_json() == card


def test_without_examples_nothing_is_offered(client: FlaskClient) -> None:
    page = client.get("/").text
    assert introduction_of(page)
    assert 'class="examples' not in page
