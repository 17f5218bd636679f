"""The choice among models, which the address carries, where own classes are taught."""

import re

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_JSON, status_and_type, upload
from tests.webui.conftest import CreateClient


@pytest.fixture
def client(torchserve: FakeTorchServe, client_with: CreateClient) -> FlaskClient:
    torchserve.models = ["lines", "apes", "zoo"]
    return client_with(webui_teach=True)


def test_the_start_page_offers_every_model_and_says_which_is_chosen(client: FlaskClient) -> None:
    for address, chosen in (("/?version=7.3", "zoo"), ("/?model=lines&version=7.3", "lines")):
        page = client.get(address).text
        nav = page[page.index('<nav class="versions models" aria-label="Model"') :].partition(
            "</nav>"
        )[0]
        links = re.findall(r'href="/\?model=([^"&]+)"\s*(aria-current="true")?', nav)
        # The default comes first, and the others by name. A version is that of one model.
        assert [name for name, _ in links] == ["zoo", "apes", "lines"]
        assert [name for name, current in links if current] == [chosen]


def test_the_chosen_model_answers_and_stays_chosen(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    assert 'action="/predict?model=lines"' in client.get("/?model=lines").text
    # There is no such model, and it is what is asked.
    answer = upload(client, accept=AS_JSON, path="/predict?model=lines")
    assert answer.status_code == 502
    for path in ("/readyz", "/v1/models/zoo", "/v2/health/ready", "/v2/models/zoo"):
        assert client.get(f"{path}?model=lines").status_code == 502
    assert torchserve.images == []
    answer = upload(client, accept=AS_JSON, path="/predict?model=zoo")
    assert answer.get_json()["model"]["name"] == "zoo"


@pytest.mark.parametrize("name", ["../zoo", "a/b", " ", "-"])
def test_a_model_that_can_not_exist_is_a_404(client: FlaskClient, name: str) -> None:
    answer = upload(client, accept=AS_JSON, path=f"/predict?model={name}")
    assert status_and_type(answer) == (404, "NotFoundError")


def test_there_is_no_choice_where_nothing_is_taught(
    torchserve: FakeTorchServe, client_with: CreateClient
) -> None:
    torchserve.models = ["lines", "zoo"]
    client = client_with()
    assert "model=" not in client.get("/").text
    assert upload(client, accept=AS_JSON, path="/predict?model=lines").status_code == 200
