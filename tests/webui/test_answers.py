"""What people and programs get for a picture: a page, a card of it, or JSON."""

import json
import re

import pytest
from flask.testing import FlaskClient
from markupsafe import escape

from tests.webui.conftest import MODEL_INPUT, FakeTorchServe
from tests.webui.sending import AS_HTML, AS_JSON, PNG, heading, send_body, upload, upload_all

EVIL = "<script>alert(1)</script>"
CARD = "/predict?as=card"


def test_result_page_tells_everything(client: FlaskClient) -> None:
    response = upload(client)
    assert response.status_code == 200
    assert heading(response) == "zebra"
    assert "<title>zebra (93.1 %) – Image classifier</title>" in response.text
    assert "<strong>93.1 %</strong>" in response.text
    assert re.search(r"Model zoo, version 7\.3, answered in [0-9.]+ m?s<", response.text)
    assert '<span class="filename">cat.png</span>' in response.text
    assert 'src="data:image/png;base64,iVBORw0KGgogYW5kIHNvIG9u"' in response.text


def test_result_page_says_what_the_picture_was(client: FlaskClient) -> None:
    description = '<span class="description">PNG, 4000 × 3000 pixels, resized as a whole</span>'
    assert description in upload(client).text


def test_result_page_says_nothing_of_the_picture_where_nothing_is_known(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    unknown = {key: value for key, value in torchserve.prediction.items() if key != "image"}
    for answer in (unknown, {**unknown, "image": "a large one"}):
        torchserve.will_answer(200, answer)
        response = upload(client)
        assert heading(response) == "zebra"
        assert "description" not in response.text
        assert "pixels" not in response.text
        assert "None" not in response.text


def test_result_page_has_a_bar_for_each_class_highest_first(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    probabilities = {"ant": 0.0684, "owl": 0.0, "zebra": 0.9312, "moth": 0.0004}
    torchserve.will_answer(200, {**torchserve.prediction, "probabilities": probabilities})
    page = upload(client).text
    assert re.findall(r'<th scope="row">(.*?)</th>', page) == ["zebra", "ant", "moth", "owl"]
    assert re.findall(r'class="bar-fill" width="(.*?)"', page) == [
        "93.120%",
        "6.840%",
        "0.040%",
        "0.000%",
    ]
    assert re.findall(r'class="percentage">(.*?)</td>', page) == [
        "93.1 %",
        "6.8 %",
        "&lt; 0.1 %",
        "0.0 %",
    ]


@pytest.mark.parametrize("count", [1, 5, 6, 100])
def test_classes_after_the_fifth_wait_behind_a_click(
    client: FlaskClient, torchserve: FakeTorchServe, count: int
) -> None:
    probabilities = {"zebra": 0.9, **{f"ant {index}": 0.0 for index in range(1, count)}}
    torchserve.will_answer(200, {**torchserve.prediction, "probabilities": probabilities})
    page = upload(client).text
    assert page.count('<th scope="row">') == count
    assert page.count('<table class="ranking">') == (2 if count > 5 else 1)
    assert bool(re.search(r"<summary>The other (class|95 classes)<", page)) == (count > 5)


def test_format_that_browsers_do_not_show_has_a_placeholder(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, torchserve.prediction)
    response = upload(client, b"II*\0 and so on", "scan.tif")
    assert "<img" not in response.text
    assert "Your browser cannot show this format" in response.text


def test_what_the_model_saw_is_shown_where_it_is_known(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    for path in ("/predict", CARD):
        torchserve.answers.clear()
        assert f'src="{MODEL_INPUT}"' in upload(client, path=path).text
        torchserve.will_answer(200, torchserve.prediction)
        assert "What the model saw" not in upload(client, path=path).text


@pytest.mark.parametrize(
    "model_input",
    [
        "https://example.org/spy.png",
        "javascript:alert(1)",
        "data:image/svg+xml;base64,PHN2Zy8+",
        'data:image/png;base64,AAAA" onerror="alert(1)',
        f"{MODEL_INPUT}\n",
        7,
    ],
)
def test_nothing_but_a_png_becomes_part_of_a_page(
    client: FlaskClient, torchserve: FakeTorchServe, model_input: object
) -> None:
    torchserve.will_answer(200, {**torchserve.prediction, "model_input": model_input})
    response = upload(client)
    assert response.status_code == 502
    assert "<img" not in response.text
    assert "alert" not in response.text


def test_the_models_input_is_asked_for_where_it_is_shown_alone(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    upload(client)
    upload(client, path=CARD)
    assert upload(client, accept=AS_JSON).json == torchserve.prediction
    assert upload(client, accept=AS_JSON, path=CARD).json == torchserve.prediction
    assert torchserve.model_inputs == ["true", "true", None, None]


@pytest.mark.parametrize("path", ["/predict", CARD])
def test_names_are_escaped(client: FlaskClient, torchserve: FakeTorchServe, path: str) -> None:
    torchserve.will_answer(
        200,
        {
            "label": EVIL,
            "confidence": 0.5,
            "probabilities": {EVIL: 0.5},
            "model": {"name": EVIL, "version": EVIL},
            "image": {"format": EVIL, "width": 1, "height": 1, "fit": EVIL},
        },
    )
    page = upload(client, name=f"{EVIL}.png", path=path).text
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 6


@pytest.mark.parametrize("path", ["/predict", CARD])
def test_names_of_pictures_without_an_answer_are_escaped(
    client: FlaskClient, torchserve: FakeTorchServe, path: str
) -> None:
    for _ in range(2):
        torchserve.will_answer_error(400, "UnreadableImageError", EVIL)
    page = upload_all(client, PNG, PNG, path=path).text
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 2
    torchserve.will_answer_error(500, EVIL)
    page = upload(client, path=path).text
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


@pytest.mark.parametrize(
    "name",
    [
        "cat\u202egnp.exe",
        "\x01\x1b[31m\x7f",
        "猫 😀.png",
        # As browsers write a quotation mark, and the end of a line.
        "%22%0D%0A",
        "a" * 5000,
        "' onload='alert(1)",
        "&lt;b&gt;",
    ],
)
def test_any_filename_is_shown_as_it_is_and_never_logged(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level("DEBUG")
    response = upload(client, name=name)
    shown = str(escape(name.replace("%22", '"')))
    assert response.status_code == 200
    assert f'<span class="filename">{shown}</span>' in response.text
    assert name not in caplog.text


def test_lone_surrogates_in_a_filename_are_replaced(client: FlaskClient) -> None:
    head = b"--x\r\nContent-Disposition: form-data; name=\"image\"; filename*=UTF-8''%ED%A0%80.png"
    response = client.post(
        "/predict",
        data=head + b"\r\n\r\n" + PNG + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
        headers=AS_HTML,
    )
    assert response.status_code == 200
    assert "\ufffd.png" in response.text


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/html, application/json", "text/html; charset=utf-8"),
        ("text/html, application/json;q=0.9", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("", "text/html; charset=utf-8"),
    ],
)
def test_accept_decides_between_page_and_json(
    client: FlaskClient, accept: str, content_type: str
) -> None:
    for path in ("/predict", CARD):
        for content in (PNG, b""):
            response = upload(client, content, accept={"Accept": accept}, path=path)
            assert response.content_type == content_type
            assert response.vary.as_set() - {"accept-encoding"} == {"accept", "accept-language"}


def test_json_is_torchserves_answer_in_its_order(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    response = upload(client, accept=AS_JSON)
    assert response.json == torchserve.prediction
    assert json.dumps(response.json) == json.dumps(torchserve.prediction)
    assert torchserve.images == [PNG]


def test_a_card_is_the_part_of_the_page_that_is_the_answer(client: FlaskClient) -> None:
    card = upload(client, path=CARD)
    assert card.status_code == 200
    assert card.text.strip().startswith("<article ")
    assert card.text.strip().endswith("</article>")
    assert card.text.count("<article") == 1
    assert heading(card, 2) == "zebra"
    assert '<span class="filename">cat.png</span>' in card.text


def test_a_card_leaves_the_picture_to_the_script_that_has_it(client: FlaskClient) -> None:
    assert "data:image/png;base64,iVBORw0KGgogYW5k" not in upload(client, path=CARD).text


def test_cards_of_several_pictures_come_in_their_order(client: FlaskClient) -> None:
    cards = upload_all(client, PNG, b"", PNG, path=CARD).text
    assert cards.count("<article") == 3
    assert re.findall(r'class="filename">(.*?)</span>', cards) == ["0.png", "1.png", "2.png"]


def test_ids_of_cards_from_several_requests_differ(client: FlaskClient) -> None:
    cards = upload_all(client, PNG, b"", path=CARD).text + upload(client, path=CARD).text
    ids = re.findall(r'\sid="([^"]*)"', cards)
    assert len(ids) >= 3
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-labelledby="([^"]*)"', cards)) <= set(ids)


@pytest.mark.parametrize("value", ["", "page", "CARD", "card2"])
def test_any_other_form_of_answer_is_a_page(client: FlaskClient, value: str) -> None:
    assert upload(client, path=f"/predict?as={value}").text.startswith("<!doctype html>")


def test_the_time_that_the_model_took_is_told(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, torchserve.prediction, delay=0.2)
    response = upload(client, accept=AS_JSON)
    (milliseconds,) = re.findall(r"^model;dur=([0-9]+\.[0-9])$", response.headers["Server-Timing"])
    assert 200 <= float(milliseconds) < 20_000


def test_a_picture_without_a_name_has_a_page_too(client: FlaskClient) -> None:
    response = send_body(client, PNG, accept=AS_HTML)
    assert heading(response) == "zebra"
    assert '<span class="filename">Picture</span>' in response.text
