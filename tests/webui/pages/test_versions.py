"""The choice among the versions of the model, which the address carries."""

import re

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_JSON, PNG, send_body, status_and_type, upload


@pytest.fixture(autouse=True)
def three_versions(torchserve: FakeTorchServe) -> None:
    torchserve.workers = {version: ["READY"] for version in ("8.0", "7.3", "10.0")}


def test_the_start_page_offers_every_version_and_says_which_is_chosen(client: FlaskClient) -> None:
    for address, chosen in (("/", "7.3"), ("/?version=8.0", "8.0"), ("/?version=all", "all")):
        page = client.get(address).text
        nav = page[page.index('<nav class="versions"') :]
        links = re.findall(r'href="/\?version=([^"]+)"\s*(aria-current="true")?', nav)
        # The default comes first, and the others from the highest on.
        assert [version for version, _ in links] == ["7.3", "10.0", "8.0", "all"]
        assert [version for version, current in links if current] == [chosen]


@pytest.mark.parametrize("state", ["a single version", "no answer"])
def test_there_is_no_choice_where_there_is_nothing_to_choose(
    client: FlaskClient, torchserve: FakeTorchServe, state: str
) -> None:
    torchserve.workers = {"7.3": []}
    if state == "no answer":
        torchserve.stop()
    assert 'class="versions"' not in client.get("/").text


def test_the_start_page_notices_when_another_version_answers(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    client.get("/")
    torchserve.default = "8.0"
    assert re.findall(r'href="/\?version=([0-9.]+)"', client.get("/").text)[0] == "8.0"


def test_the_chosen_version_answers_and_stays_chosen(client: FlaskClient) -> None:
    assert send_body(client, PNG).get_json()["model"]["version"] == "7.3"
    assert 'action="/predict?version=8.0"' in client.get("/?version=8.0").text
    page = client.post("/predict?version=8.0&language=de", data=PNG, content_type="image/png").text
    assert "version 8.0" in page.lower()
    assert page.count("/predict?version=8.0") == 2
    assert re.search(r'class="button" href="/\?language=de&amp;version=8.0"', page)


def test_all_versions_are_compared_on_one_picture(client: FlaskClient) -> None:
    response = client.post("/predict?version=all", data=PNG, content_type="image/png")
    assert re.findall(r"Version ([0-9.]+) sees", response.text) == ["7.3", "10.0", "8.0"]
    assert response.text.count("<img") == 2
    answers = client.post(
        "/predict?version=all", data=PNG, content_type="image/png", headers=AS_JSON
    ).get_json()["predictions"]
    assert [answer["model"]["version"] for answer in answers] == ["7.3", "10.0", "8.0"]


@pytest.mark.parametrize("version", ["9.9", "../other", "8.0/x", " "])
def test_a_version_that_does_not_exist_is_a_404(client: FlaskClient, version: str) -> None:
    answer = upload(client, accept=AS_JSON, path=f"/predict?version={version}")
    assert status_and_type(answer) == (404, "UnknownVersionError")
