"""What people and programs get for a picture: a page, a card of it, or JSON."""

import json
import re

import pytest
from flask.testing import FlaskClient
from markupsafe import escape

from tests.helpers.fake_torchserve import MODEL_INPUT, FakeTorchServe
from tests.helpers.sending import (
    AS_HTML,
    AS_JSON,
    CARD,
    PNG,
    filenames,
    heading,
    send_body,
    upload,
    upload_all,
)

EVIL = "<script>alert(1)</script>"
EVIL_ANSWER = {
    "label": EVIL,
    "confidence": 0.5,
    "probabilities": {EVIL: 0.5},
    "model": {"name": EVIL, "version": EVIL},
    "image": {"format": EVIL, "width": 1, "height": 1},
}


def test_result_page_says_everything(client: FlaskClient) -> None:
    response = upload(client)
    assert response.status_code == 200
    assert heading(response) == "zebra"
    assert filenames(response) == ["cat.png"]
    for text in (
        "<title>zebra (93.1 %) – Image classifier</title>",
        "<strong>93.1 %</strong>",
        'src="data:image/png;base64,iVBORw0KGgoAAAAN',
        '<span class="description">PNG, 4000 × 3000 pixels</span>',
    ):
        assert text in response.text
    assert re.search(r"Model zoo, version 7\.3, answered in [0-9.]+ m?s<", response.text)


def test_result_page_says_nothing_about_the_picture_if_nothing_is_known(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    unknown = {key: value for key, value in torchserve.prediction.items() if key != "image"}
    image: dict[str, object] = {"format": "JPEG", "width": 4000, "height": 3000}
    for known in ({}, {"image": "JPEG"}, {"image": {**image, "width": "wide"}}):
        torchserve.will_answer(200, {**unknown, **known})
        response = upload(client)
        assert heading(response) == "zebra"
        assert not re.search("description|pixels|None", response.text)


@pytest.mark.parametrize(
    ("right", "said"),
    [(1, "zebra"), (0.9, "zebra"), (0.7, "Probably zebra"), (0.6, "Not sure: zebra or ant?")],
)
def test_the_headline_is_as_sure_as_the_model_was_right(
    client: FlaskClient, torchserve: FakeTorchServe, right: float, said: str
) -> None:
    reliability = {"band": [0.9, 1.0], "right": right, "of": 70}
    torchserve.will_answer(200, {**torchserve.prediction, "reliability": reliability})
    response = upload(client)
    assert heading(response) == said
    assert f"Right {100 * right:.0f} times in 100 when it was this sure" in response.text


def test_the_headline_doubts_that_it_is_any_class_however_sure_the_model_is(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    reliability = {"band": [0.9, 1.0], "right": 1, "of": 70}
    doubt = {"known": False, "ood_score": 0.9, "reliability": reliability}
    torchserve.will_answer(200, {**torchserve.prediction, **doubt})
    response = upload(client)
    assert heading(response) == "None of the 5 classes, I think: nearest is zebra"
    assert "It looks stranger than 95 of 100 pictures of these classes" in response.text
    assert "times in 100" not in response.text
    assert 'class="first"' not in response.text


def test_result_page_has_a_bar_for_each_class_in_the_order_of_the_answer(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    probabilities = {"zebra": 0.9312, "ant": 0.0684, "moth": 0.0004, "owl": 0.0}
    torchserve.will_answer(200, {**torchserve.prediction, "probabilities": probabilities})
    page = upload(client).text
    names = re.findall(r'<th scope="row">(.*?)</th>', page)
    bars = re.findall(r'class="bar-fill" width="(.*?)"', page)
    percentages = re.findall(r'class="percentage">(.*?)</td>', page)
    assert list(zip(names, bars, percentages, strict=True)) == [
        ("zebra", "93.120%", "93.1 %"),
        ("ant", "6.840%", "6.8 %"),
        ("moth", "0.040%", "&lt; 0.1 %"),
        ("owl", "0.000%", "0.0 %"),
    ]


@pytest.mark.parametrize(
    ("count", "summary"),
    [(1, None), (5, None), (6, "The other class"), (100, "The other 95 classes")],
)
def test_classes_after_the_fifth_wait_behind_a_click(
    client: FlaskClient, torchserve: FakeTorchServe, count: int, summary: str | None
) -> None:
    probabilities = {"zebra": 0.9, **{f"ant {index}": 0.0 for index in range(1, count)}}
    torchserve.will_answer(200, {**torchserve.prediction, "probabilities": probabilities})
    page = upload(client).text
    assert page.count('<th scope="row">') == count
    assert re.findall("<summary>(The other .*?)<", page) == ([summary] if summary else [])
    assert page.count('<table class="ranking">') == (2 if summary else 1)


def test_format_that_browsers_do_not_show_has_a_placeholder(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, torchserve.prediction)
    response = upload(client, b"II*\0 and so on", "scan.tif")
    assert "<img" not in response.text
    assert "Your browser cannot show this format" in response.text


def test_what_is_no_picture_is_not_called_a_format_that_the_browser_cannot_show(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer_error(415, "UnsupportedFormatError", "This is text.", times=2)
    page = upload_all(client, b"Dear Sir", b"or Madam").text
    assert page.count("The model cannot read that kind of file") == 2
    assert "Your browser cannot show this format" not in page


def test_of_a_gif_it_is_said_which_frame_the_model_saw(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    image = {"format": "GIF", "width": 3, "height": 2}
    torchserve.will_answer(200, {**torchserve.prediction, "image": image})
    assert "the model sees the first frame" in upload(client, b"GIF89a and so on").text
    assert "the model sees the first frame" not in upload(client).text


@pytest.mark.parametrize("path", ["/predict", CARD])
def test_pixels_that_the_model_saw_are_shown_if_they_are_known(
    client: FlaskClient, torchserve: FakeTorchServe, path: str
) -> None:
    assert f'src="{MODEL_INPUT}"' in upload(client, path=path).text
    torchserve.will_answer(200, torchserve.prediction)
    assert "What the model saw" not in upload(client, path=path).text


def test_the_models_input_is_asked_for_only_where_it_is_shown(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    for accept in (AS_HTML, AS_JSON):
        for path in ("/predict", CARD):
            upload(client, accept=accept, path=path)
    assert torchserve.model_inputs == ["true", "true", None, None]


@pytest.mark.parametrize("path", ["/predict", CARD])
def test_names_are_escaped(client: FlaskClient, torchserve: FakeTorchServe, path: str) -> None:
    torchserve.will_answer(200, EVIL_ANSWER)
    answer = upload(client, name=f"{EVIL}.png", path=path).text
    torchserve.will_answer_error(400, "UnreadableImageError", EVIL, times=2)
    errors = upload_all(client, PNG, PNG, path=path).text
    torchserve.will_answer_error(500, EVIL)
    error = upload(client, path=path).text
    for text, least in ((answer, 6), (errors, 2), (error, 1)):
        assert "<script>" not in text
        assert text.count("&lt;script&gt;") >= least


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
    assert response.status_code == 200
    assert filenames(response) == [str(escape(name.replace("%22", '"')))]
    assert name not in caplog.text


def test_lone_surrogates_in_a_filename_are_replaced(client: FlaskClient) -> None:
    head = b"--x\r\nContent-Disposition: form-data; name=\"image\"; filename*=UTF-8''%ED%A0%80.png"
    body = head + b"\r\n\r\n" + PNG + b"\r\n--x--\r\n"
    response = send_body(client, body, "multipart/form-data; boundary=x", AS_HTML)
    assert response.status_code == 200
    assert "\ufffd.png" in response.text


def test_a_picture_without_a_name_has_a_page_too(client: FlaskClient) -> None:
    response = send_body(client, PNG, accept=AS_HTML)
    assert heading(response) == "zebra"
    assert filenames(response) == ["Picture"]


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


@pytest.mark.parametrize("path", ["/predict", CARD])
def test_json_is_torchserves_answer_in_its_order(
    client: FlaskClient, torchserve: FakeTorchServe, path: str
) -> None:
    response = upload(client, accept=AS_JSON, path=path)
    assert json.dumps(response.json) == json.dumps(torchserve.prediction)
    assert torchserve.images == [PNG]


def test_a_card_is_the_part_of_the_page_that_is_the_answer(client: FlaskClient) -> None:
    card = upload(client, path=CARD)
    assert card.status_code == 200
    assert re.fullmatch(r"\s*<article .*</article>\s*", card.text, re.DOTALL)
    assert card.text.count("<article") == 1
    assert heading(card, 2) == "zebra"
    assert filenames(card) == ["cat.png"]
    # The script that asks for a card has the picture.
    assert "data:image/png;base64,iVBORw0KGgogYW5k" not in card.text


def test_cards_of_several_requests_have_an_order_and_ids_of_their_own(client: FlaskClient) -> None:
    several = upload_all(client, PNG, b"", PNG, path=CARD)
    assert several.text.count("<article") == 3
    assert filenames(several) == ["0.png", "1.png", "2.png"]
    cards = several.text + upload(client, path=CARD).text
    ids = re.findall(r'\sid="([^"]*)"', cards)
    assert len(ids) >= 4
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-labelledby="([^"]*)"', cards)) <= set(ids)
