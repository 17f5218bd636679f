"""Pages are in the language that their address names, else in the browser's choice."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.mofile import write_mo
from flask import Flask
from flask.testing import FlaskClient

from tests.webui.conftest import FakeTorchServe
from tests.webui.sending import AS_HTML, AS_JSON, heading, headings, part, send
from tests.webui.sending import upload as upload_from
from webui import create_app
from webui.settings import Settings

# A few words that are not those of the German pages, so that both can be told apart.
WORDS: dict[str | tuple[str, str], str | tuple[str, str]] = {
    "What is in this picture?": "Was zeigt dieses Bild?",
    "That file is empty": "Die Datei ist leer",
    "That picture is too large": "Das Bild ist zu groß",
    "The model took too long": "Das Modell brauchte zu lange",
    "That picture could not be read": "Das Bild war nicht zu lesen",
    "The model server made a mistake": "Der Modellserver machte einen Fehler",
    "The file is damaged or incomplete. Save or export the picture again and send that.": (
        "Die Datei ist beschädigt."
    ),
    "The file has no content (0 bytes). Choose another one.": "Die Datei hat keinen Inhalt.",
    "The picture is larger than %(limit)s, the limit here. Send a smaller version: nothing is "
    "lost, because the model only looks at a thumbnail.": "Das Bild hat mehr als %(limit)s.",
    "No answer came within %(seconds)s seconds. The server may be busy: wait a moment and send "
    "the picture again.": "Nach %(seconds)s Sekunden keine Antwort.",
    "The model server's answer was not as expected: %(detail)s. Send the picture again; if this "
    "stays so, the server's log says more.": "Unerwartete Antwort: %(detail)s.",
    "it is not a prediction": "keine Vorhersage",
    "%(format)s, %(width)d × %(height)d pixels": "%(format)s, %(width)d × %(height)d Pixel",
    "resized as a whole": "als Ganzes verkleinert",
    "The picture you chose: %(name)s": "Ihr Bild: %(name)s",
    ("%(num)d byte", "%(num)d bytes"): ("%(num)d Byte", "%(num)d Bytes"),
}
GERMAN = {"Accept-Language": "de"}
GERMAN_FORM, ENGLISH_FORM = "Was zeigt dieses Bild?", "What is in this picture?"


@pytest.fixture
def german_settings(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings with which an app finds a German catalogue, this test's own."""
    catalog = Catalog(locale="de", charset="utf-8")
    for message, translation in WORDS.items():
        catalog.add(message, translation)
    folder = tmp_path / "translations" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "messages.mo").open("wb") as file:
        write_mo(file, catalog)
    config = {**Flask.default_config, "BABEL_TRANSLATION_DIRECTORIES": str(folder.parents[1])}
    monkeypatch.setattr(Flask, "default_config", config)
    return settings


@pytest.fixture
def bilingual(german_settings: Settings) -> FlaskClient:
    return create_app(german_settings).test_client()


def language_of(page: str) -> str:
    (language,) = re.findall(r'<html lang="(.*?)">', page)
    (form,) = re.findall(r"<h1>(.*?)</h1>", page)
    assert form == {"de": GERMAN_FORM, "en": ENGLISH_FORM}[language]
    return str(language)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("en", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-CH-1901", "de"),
        ("de, en", "de"),
        ("en, de", "en"),
        ("en;q=0.5, de;q=0.9", "de"),
        ("de-AT, en;q=0.5", "de"),
        ("en-GB, de;q=0.5", "en"),
        ("fr, de;q=0.5", "de"),
        ("fr", "en"),
        ("fr, ja", "en"),
        # As programs say that they do not mind.
        ("*", "en"),
        ("fr, *;q=0.1", "en"),
        ("de;q=0, *", "en"),
        ("de;q=0", "en"),
        ("den", "en"),
        ("\xff;;q=,,=", "en"),
        ("../de", "en"),
    ],
)
def test_the_browser_has_a_choice(
    bilingual: FlaskClient, accepted: str | None, expected: str
) -> None:
    headers = {} if accepted is None else {"Accept-Language": accepted}
    assert language_of(bilingual.get("/", headers=headers).text) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?language=en", "en"),
        ("?language=de", "de"),
        ("?language=fr", "de"),
        ("?language=DE", "de"),
        ("?language=", "de"),
        ("?language=../de", "de"),
        ("?language=%00", "de"),
        ("?language=en&language=de", "en"),
    ],
)
def test_the_address_beats_the_browser(bilingual: FlaskClient, query: str, expected: str) -> None:
    assert language_of(bilingual.get(f"/{query}", headers=GERMAN).text) == expected


def test_a_language_without_a_catalogue_is_not_offered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = {**Flask.default_config, "BABEL_TRANSLATION_DIRECTORIES": str(tmp_path)}
    monkeypatch.setattr(Flask, "default_config", config)
    client = create_app(settings).test_client()
    page = client.get("/?language=de", headers=GERMAN).text
    assert language_of(page) == "en"
    assert 'hreflang="de"' not in page


def test_a_language_that_was_chosen_goes_along(bilingual: FlaskClient) -> None:
    chosen = bilingual.get("/?language=de").text
    assert 'action="/predict?language=de"' in chosen
    assert 'class="brand" href="/?language=de"' in chosen
    again = bilingual.get("/predict?language=de")
    assert again.location == "/?language=de"
    unchosen = bilingual.get("/", headers=GERMAN).text
    assert 'action="/predict"' in unchosen
    assert not re.search(r'/static/[^"]*language', chosen)


def test_every_page_links_to_every_language(bilingual: FlaskClient) -> None:
    for page in (
        bilingual.get("/").text,
        bilingual.get("/?language=en", headers=GERMAN).text,
        upload_from(bilingual).text,
        bilingual.get("/nothing-here?language=de").text,
    ):
        links = dict(re.findall(r'href="(/\?language=\w+)" hreflang="(\w+)"', page))
        assert links == {"/?language=de": "de", "/?language=en": "en"}
        assert page.count('aria-current="true"') == 1


@pytest.mark.parametrize(
    "path", ["/", "/predict", "/nothing-here", "/predict?language=de", "/?language=de"]
)
def test_answers_say_that_the_language_was_chosen(bilingual: FlaskClient, path: str) -> None:
    assert "accept-language" in bilingual.get(path).vary.as_set()
    assert "accept-language" in upload_from(bilingual).vary.as_set()


def test_files_are_the_same_in_every_language(bilingual: FlaskClient) -> None:
    with bilingual.get("/static/style.css", headers=GERMAN) as response:
        assert "accept-language" not in response.vary.as_set()


def test_a_result_has_the_numbers_of_its_language(bilingual: FlaskClient) -> None:
    german = upload_from(bilingual, path="/predict?language=de").text
    english = upload_from(bilingual, path="/predict?language=en").text
    assert "<strong>93,1 %</strong>" in german
    assert "<strong>93.1 %</strong>" in english
    assert "PNG, 4000 × 3000 Pixel, als Ganzes verkleinert" in german
    # Those are for a browser, and not for people.
    assert 'width="93.120%"' in german


def test_names_stay_escaped_in_translations(bilingual: FlaskClient) -> None:
    page = upload_from(bilingual, name="<b>.png", accept={**AS_HTML, **GERMAN}).text
    assert 'alt="Ihr Bild: &lt;b&gt;.png"' in page
    assert "<b>" not in page


def test_errors_are_told_in_the_language_of_the_request(
    german_settings: Settings, torchserve: FakeTorchServe
) -> None:
    client = create_app(replace(german_settings, torchserve_timeout_seconds=0.5)).test_client()
    torchserve.will_answer(200, b"garbage")
    answer = upload_from(client, accept={**AS_JSON, **GERMAN})
    assert answer.get_json()["message"] == "Unerwartete Antwort: keine Vorhersage."
    torchserve.will_answer(200, b"", delay=1)
    answer = upload_from(client, accept={**AS_JSON, **GERMAN})
    assert answer.get_json()["message"] == "Nach 0,5 Sekunden keine Antwort."
    card = upload_from(client, b"", path="/predict?as=card&language=de")
    assert heading(card, 2) == "Die Datei ist leer"
    assert "Die Datei hat keinen Inhalt." in card.text
    assert '<article class="card answer problem" lang="de"' in card.text


def test_the_limits_of_several_pictures_are_told_in_the_language_of_the_request(
    german_settings: Settings,
) -> None:
    """They are found in other threads, which know of no request."""
    for limit, expected in ((1_000_000, "976,6 KiB"), (500, "500 Bytes"), (1, "1 Byte")):
        app = create_app(replace(german_settings, max_upload_bytes=limit))
        parts = [part("image", bytes(limit + 1), f"{name}.png") for name in "ab"]
        page = send(app.test_client(), *parts, accept={**AS_HTML, **GERMAN})
        assert headings(page, 2) == ["Das Bild ist zu groß"] * 2
        assert page.text.count(f"Das Bild hat mehr als {expected}.") == 2


def test_people_who_ask_at_once_get_each_their_language(german_settings: Settings) -> None:
    app = create_app(german_settings)
    together = threading.Barrier(2, timeout=10)

    def ask(language: str) -> list[list[str]]:
        parts = [part("image", b"", f"{name}.png") for name in "abcd"]
        path = f"/predict?language={language}"
        together.wait()
        return [
            headings(send(app.test_client(), *parts, accept=AS_HTML, path=path), 2)
            for _ in range(10)
        ]

    with ThreadPoolExecutor(2) as pool:
        german, english = pool.map(ask, ["de", "en"])
    assert german == [["Die Datei ist leer"] * 4] * 10
    assert english == [["That file is empty"] * 4] * 10


def test_the_handlers_message_is_shortened_on_pages_of_other_languages_alone(
    bilingual: FlaskClient, torchserve: FakeTorchServe
) -> None:
    for _ in range(3):
        torchserve.will_answer_error(400, "UnreadableImageError", "It ends at byte 7.")
    german = upload_from(bilingual, accept={**AS_HTML, **GERMAN})
    assert heading(german) == "Das Bild war nicht zu lesen"
    assert "Die Datei ist beschädigt." in german.text
    assert "byte 7" not in german.text
    assert "It ends at byte 7." in upload_from(bilingual).text
    answer = upload_from(bilingual, accept={**AS_JSON, **GERMAN})
    assert answer.get_json()["message"] == "It ends at byte 7."


def test_the_log_is_in_one_language(
    bilingual: FlaskClient, torchserve: FakeTorchServe, caplog: pytest.LogCaptureFixture
) -> None:
    torchserve.will_answer(200, b"garbage")
    page = upload_from(bilingual, accept={**AS_HTML, **GERMAN})
    assert heading(page) == "Der Modellserver machte einen Fehler"
    assert "Unerwartete Antwort" in page.text
    (message,) = caplog.messages
    assert message.startswith("ModelServerError: The model server's answer was not as expected")
