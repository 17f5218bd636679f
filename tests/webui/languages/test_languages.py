"""Pages are in the language that their address names, or else in the browser's choice."""

import re

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import AS_HTML, AS_JSON, CARD, PNG, heading, headings, upload, upload_all
from tests.webui.conftest import CreateClient

GERMAN = {"Accept-Language": "de"}
GERMAN_PAGE = {**AS_HTML, **GERMAN}
GERMAN_JSON = {**AS_JSON, **GERMAN}
FORM_HEADINGS = {"de": "Was ist auf diesem Bild?", "en": "What is in this picture?"}


def language_of(page: str) -> str:
    (language,) = re.findall(r'<html lang="(.*?)">', page)
    assert re.findall(r"<h1>(.*?)</h1>", page) == [FORM_HEADINGS[language]]
    return str(language)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (None, "en"),
        ("de-CH-1901", "de"),
        ("en;q=0.5, de;q=0.9", "de"),
        ("de-AT, en;q=0.5", "de"),
        ("en-GB, de;q=0.5", "en"),
        ("fr, de;q=0.5", "de"),
        # Programs say in this way that they do not mind.
        ("*", "en"),
        ("de;q=0, *", "en"),
        ("\xff;;q=,,=", "en"),
    ],
)
def test_the_browser_has_a_choice(client: FlaskClient, accepted: str | None, expected: str) -> None:
    headers = {} if accepted is None else {"Accept-Language": accepted}
    assert language_of(client.get("/", headers=headers).text) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [("language=en", "en"), ("language=fr", "de"), ("language=", "de"), ("language=../de", "de")],
)
def test_the_address_beats_the_browser(client: FlaskClient, query: str, expected: str) -> None:
    assert language_of(client.get(f"/?{query}", headers=GERMAN).text) == expected


def test_a_language_that_was_chosen_goes_along(client: FlaskClient) -> None:
    chosen = client.get("/?language=de", headers={"Accept-Language": "en"}).text
    for text in (
        'action="/predict?language=de"',
        'data-ready-url="/readyz?language=de"',
        'class="brand" href="/?language=de"',
    ):
        assert text in chosen
    assert not re.search(r'/static/[^"]*language', chosen)
    answer = upload(client, path="/predict?language=de").text
    assert '<a class="button" href="/?language=de">Andere Bilder erkennen</a>' in answer
    # Those who reload a result are led to the form.
    assert client.get("/predict?language=de").location == "/?language=de"
    assert client.get("/predict").location == "/"
    assert 'action="/predict"' in client.get("/", headers=GERMAN).text


def test_every_page_links_to_every_language(client: FlaskClient) -> None:
    link = re.compile(r'href="/\?language=(\w+)" hreflang="(\w+)" lang="\w+"[^>]*>(.*?)<')
    for page in (
        client.get("/").text,
        client.get("/?language=en", headers=GERMAN).text,
        upload(client).text,
        client.get("/nothing-here?language=de").text,
    ):
        links = link.findall(page)
        assert links == [("de", "de", "Deutsch"), ("en", "en", "English")]
        assert page.count('aria-current="true"') == 1


def test_answers_say_that_the_language_was_chosen_and_files_do_not(client: FlaskClient) -> None:
    responses = [client.get(path) for path in ("/", "/predict", "/nothing-here", "/?language=de")]
    for response in (*responses, upload(client), upload(client, b"")):
        assert "accept-language" in response.vary
    with client.get("/static/styles/base.css", headers=GERMAN) as file:
        assert "accept-language" not in file.vary


def test_numbers_are_written_as_germans_do(client: FlaskClient) -> None:
    page = client.get("/", headers=GERMAN).text
    assert "je bis zu 976,6 KiB, höchstens 16 auf einmal" in page
    answer = upload(client, accept=GERMAN_PAGE).text
    for text in (
        "<title>zebra (93,1 %) – Bilderkennung</title>",
        "zu <strong>93,1 %</strong> sicher",
        '<td class="percentage">&lt; 0,1 %</td>',
        "PNG, 4000 × 3000 Pixel",
        # This one is for the browser, not for people.
        'width="93.120%"',
    ):
        assert text in answer
    assert "<strong>93.1 %</strong>" in upload(client, path="/predict?language=en").text


def test_a_page_and_its_cards_name_their_language(client: FlaskClient) -> None:
    page = client.get("/?language=de").text
    assert re.findall(r'<(?:html|article)[^>]* lang="(.*?)"', page) == ["de"] * 5
    for content in (PNG, b""):
        card = upload(client, content, path="/predict?language=de&as=card").text
        assert re.findall(r'<article[^>]* lang="(.*?)"', card) == ["de"]


def test_errors_are_in_the_language_of_the_request(
    client_with: CreateClient, torchserve: FakeTorchServe
) -> None:
    client = client_with(torchserve_timeout_seconds=0.3)
    message = "Die Datei hat keinen Inhalt (0 Byte). Wählen Sie eine andere."
    for path in ("/predict", CARD):
        response = upload(client, b"", path=path, accept=GERMAN_PAGE)
        assert message in response.text
        assert "Fehler 400" in response.text
    answer = upload(client, b"", accept=GERMAN_JSON)
    assert answer.get_json() == {"code": 400, "type": "EmptyFileError", "message": message}

    torchserve.will_answer(200, b"garbage")
    answer = upload(client, accept=GERMAN_JSON)
    assert "nicht wie erwartet: Sie ist keine Vorhersage." in answer.get_json()["message"]
    torchserve.will_answer(200, b"", delay=1)
    answer = upload(client, accept=GERMAN_JSON)
    assert answer.get_json()["message"].startswith("Nach 0,3 Sekunden war noch keine Antwort da.")
    torchserve.will_answer_error(503, "ServiceUnavailableException")
    torchserve.workers["7.3"] = []
    answer = client.get("/readyz?language=de")
    assert answer.get_json()["message"].startswith("Das Modell wird noch geladen")
    assert "Das Formular für Bilder ist auf" in client.get("/nothing-here", headers=GERMAN).text


def test_limits_of_several_pictures_are_in_the_language_of_the_request(client: FlaskClient) -> None:
    """They are found in other threads, which know of no request."""
    page = upload_all(client, b"x", *[bytes(1_000_001)] * 2, accept=GERMAN_PAGE)
    assert headings(page, 2) == ["zebra", *["Dieses Bild ist zu groß"] * 2]
    assert page.text.count("Das Bild ist größer als 976,6 KiB;") == 2
    assert "<h1>1 Antwort</h1>" in page.text
    assert "3 Bilder wurden gesendet." in page.text


@pytest.mark.parametrize(
    ("type_name", "words"),
    [
        ("EmptyBodyError", "keinen Inhalt (0 Byte)"),
        ("ImageTooLargeError", "zu viele Pixel"),
        ("UnreadableImageError", "beschädigt oder unvollständig"),
        ("UnsupportedFormatError", "kein Bild in einem der Formate"),
        ("AnotherError", "hat abgelehnt, was gesendet wurde"),
    ],
)
def test_the_handlers_message_is_replaced_on_pages_of_other_languages_alone(
    client: FlaskClient, torchserve: FakeTorchServe, type_name: str, words: str
) -> None:
    torchserve.will_answer_error(400, type_name, "It ends at byte 7.", times=3)
    page = upload(client, accept=GERMAN_PAGE).text
    assert words in page
    assert "byte 7" not in page
    assert "It ends at byte 7." in upload(client).text
    answer = upload(client, accept=GERMAN_JSON)
    assert answer.get_json()["message"] == "It ends at byte 7."


def test_the_log_is_in_one_language(
    client: FlaskClient, torchserve: FakeTorchServe, caplog: pytest.LogCaptureFixture
) -> None:
    torchserve.will_answer(200, b"garbage")
    page = upload(client, accept=GERMAN_PAGE)
    assert heading(page) == "Der Modellserver hat einen Fehler gemacht"
    (message,) = caplog.messages
    assert message.startswith("ModelServerError: The model server's answer was not as expected")
