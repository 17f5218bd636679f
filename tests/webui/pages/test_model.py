"""The page about the model itself."""

import re

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import CARD, FakeTorchServe
from tests.helpers.sending import AS_HTML, AS_JSON, status_and_type


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
        "off by 1.2 % on average on the test images (expected",
        "divided by a temperature of 0.75.",
        "recipe tuned, 60 epochs",
        "must not be used to decide about people",
        "The licence of its training data is not recorded.",
        "zebra 91.7 % of 600 89.0 % to 94.0 %",
        "0 – 90 % 50.0 % of 80 39.0 % to 61.0 %",
        "noise 90.0 % of 10 60.0 % to 98.0 %",
        "its own classes, by mistake 5.0 % of 1,200 4.0 % to 6.0 %",
    ):
        assert text in words


def test_a_card_of_few_figures_is_shown_without_the_others(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    # As of a model taken over from Keras; TorchServe leaves out what is null.
    names = ("name", "version", "class_names", "image_size")
    known = {name: CARD[name] for name in names}
    torchserve.card = {**known, "data": "CIFAR-10 from torchvision", "epochs": 0}
    response = client.get("/model", headers=AS_HTML)
    assert response.status_code == 200
    words = words_of(response.text)
    assert "Krizhevsky 2009" in words
    for text in ("test images", "calibration error", "epochs", "not recorded"):
        assert text not in words


# Where all versions are compared, the card is that of the default.
@pytest.mark.parametrize("version", ["7.3", "all"])
def test_programs_get_the_card_itself(client: FlaskClient, version: str) -> None:
    assert client.get(f"/model?version={version}", headers=AS_JSON).get_json() == CARD


def test_an_unknown_version_has_no_card_and_a_model_may_say_nothing_of_itself(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    unknown = client.get("/model?version=9", headers=AS_JSON)
    assert status_and_type(unknown) == (404, "UnknownVersionError")
    torchserve.card = "no card"
    silent = client.get("/model", headers=AS_JSON)
    assert status_and_type(silent) == (502, "ModelServerError")
