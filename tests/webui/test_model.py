"""The page about the model itself."""

import re

from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import CARD, FakeTorchServe
from tests.helpers.sending import AS_HTML, AS_JSON


def words_of(page: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", page).split())


def test_it_says_what_the_model_knows_and_how_often_it_is_right(client: FlaskClient) -> None:
    response = client.get("/model", headers=AS_HTML)
    assert response.status_code == 200
    words = words_of(response.text)
    for text in (
        "Version 7.3 of zoo knows these things",
        "zebra ant",
        "a shorter side of 48 pixels",
        "87.5 % of 1,200 test images rightly. It was trained on 4,000 others (folder zoo)",
        "zebra 91.7 % of 600 89.0 % to 94.0 %",
        "0 – 90 % 50.0 % of 80 39.0 % to 61.0 %",
    ):
        assert text in words


def test_programs_get_the_card_itself(client: FlaskClient) -> None:
    assert client.get("/model?version=7.3", headers=AS_JSON).get_json() == CARD


def test_an_unknown_version_has_no_card(client: FlaskClient) -> None:
    response = client.get("/model?version=9", headers=AS_JSON)
    assert (response.status_code, response.get_json()["type"]) == (404, "UnknownVersionError")


def test_a_model_may_say_nothing_of_itself(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    torchserve.card = "no card"
    response = client.get("/model", headers=AS_JSON)
    assert (response.status_code, response.get_json()["type"]) == (502, "ModelServerError")


def test_where_all_versions_are_compared_the_card_is_that_of_the_default(
    client: FlaskClient,
) -> None:
    assert client.get("/model?version=all", headers=AS_JSON).get_json() == CARD
