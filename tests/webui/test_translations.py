"""Every text that people read is in every catalogue, translated, and shown in their language."""

import inspect
import io
import json
import re
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import LazyString
from werkzeug.test import TestResponse

from tests.serving import PROJECT
from tests.webui.conftest import WORKER_DIED, FakeTorchServe
from webui.errors import RejectedImageError, WebUIError
from webui.languages import Languages

TRANSLATIONS = PROJECT / "webui" / "translations"
CATALOGUES = sorted(TRANSLATIONS.glob("*/LC_MESSAGES/messages.po"))
KEYWORDS = {**DEFAULT_KEYWORDS, "lazy_gettext": None, "lazy_ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]")
MARKUP = re.compile(r"</?\w+>|[<>&\"]")
PNG = b"\x89PNG\r\n\x1a\n and so on"
AS_JSON = {"Accept": "application/json"}

Texts = dict[str | tuple[str, ...], str | tuple[str, ...]]


def find_texts() -> set[str | tuple[str, ...]]:
    """Return what is marked in the code and the templates, with the plural where there is one."""
    mappings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    methods = [(mapping["pattern"], mapping["method"]) for mapping in mappings]
    found = extract_from_dir(str(PROJECT / "webui"), method_map=methods, keywords=KEYWORDS)
    return {text for _file, _line, text, *_ in found}


def read_catalogue(file: Path) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=file.parents[1].name)


def messages(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id]


def variants(text: Any) -> tuple[str, ...]:
    """Return a text, or its singular and plural."""
    return text if isinstance(text, tuple) else (text,)


def write_language(folder: Path, code: str, texts: Texts) -> None:
    """Add a language as everybody would: a folder with a compiled catalogue in it."""
    catalogue = Catalog(locale=code)
    for text, translation in texts.items():
        catalogue.add(text, translation)
    target = folder / code / "LC_MESSAGES" / "messages.mo"
    target.parent.mkdir(parents=True)
    with target.open("wb") as file:
        write_mo(file, catalogue)


def add_catalogues(app: Flask, folder: Path) -> None:
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = f"translations;{folder}"
    Languages(app)


def send(
    client: FlaskClient, *contents: bytes, path: str = "/predict", **headers: str
) -> TestResponse:
    """Send pictures in one form; werkzeug's client would write large ones to disk."""
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="1"\r\n\r\n'
    body = b"".join(head + content + b"\r\n" for content in contents) + b"--x--\r\n"
    content_type = "multipart/form-data; boundary=x"
    return client.post(path, data=body, content_type=content_type, headers=headers)


def test_there_is_another_language_than_english() -> None:
    assert "de" in {file.parents[1].name for file in CATALOGUES}


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parents[1].name)
def test_catalogue_holds_exactly_the_texts_of_today(file: Path) -> None:
    """`make translations` takes new ones over."""
    assert {message.id for message in messages(read_catalogue(file))} == find_texts()


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parents[1].name)
def test_every_text_is_translated(file: Path) -> None:
    for message in messages(read_catalogue(file)):
        assert all(variants(message.string)), message.id
        assert not message.fuzzy, message.id


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parents[1].name)
def test_translations_hold_the_placeholders_and_the_markup_of_the_text(file: Path) -> None:
    for message in messages(read_catalogue(file)):
        # The singular may do without the number.
        allowed = [fixed_parts(text) for text in variants(message.id)]
        for translation in variants(message.string):
            assert fixed_parts(translation) in allowed, translation


def fixed_parts(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text) + MARKUP.findall(text))


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parents[1].name)
def test_what_is_compiled_is_the_catalogue(file: Path) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, read_catalogue(file))
    assert file.with_suffix(".mo").read_bytes() == compiled.getvalue()


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parents[1].name)
def test_catalogue_says_nothing_of_where_and_by_whom_it_was_made(file: Path) -> None:
    content = file.read_text()
    # Babel's own, in a catalogue that it has begun.
    assert set(re.findall(r"\w+@[\w.]+", content)) <= {"EMAIL@ADDRESS", "LL@li.org"}
    places = re.findall(r"^#: (.*)$", content, re.MULTILINE)
    assert places
    assert all(re.fullmatch(r"(webui/[\w/]+\.(py|html) ?)+", place) for place in places)


def test_german_quotation_marks_are_german() -> None:
    content = (TRANSLATIONS / "de" / "LC_MESSAGES" / "messages.po").read_text()
    for message in messages(read_po(io.StringIO(content))):
        for translation in variants(message.string):
            assert len(re.findall("„[^„“”]+“", translation)) == translation.count("„")
            assert translation.count("“") == translation.count("„")
            assert "”" not in translation


# What follows shows pages in a language in which every text is in brackets, and looks for letters
# that are in none. Pictures and classes have numbers for names there.

BRACKETS = "⟦%s⟧"
UNMARKED = re.compile(r"[^\W\d_]{2,}")
# Not for people, or the same in every language.
UNTRANSLATED = {"code", "style", "script"}


class TextFinder(HTMLParser):
    """Collects what people read on a page or hear from it.

    Not so code, names of languages, and what says of itself that it is English.
    """

    read_aloud = ("alt", "title", "aria-label", "placeholder", "data-text")

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        # As one, because a text may have elements in it.
        self.content = ""
        self._open: list[tuple[str, bool]] = []
        self._is_words = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.texts += [attributes[name] or "" for name in self.read_aloud if name in attributes]
        self._is_words = attributes.get("type") == "application/json"
        if tag not in {"img", "input", "link", "meta", "br", "wbr"}:
            is_english = attributes.get("lang") == "en"
            is_skipped = tag in UNTRANSLATED or "hreflang" in attributes or is_english
            self._open.append((tag, is_skipped))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1][0] == tag
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._is_words:
            self.texts += json.loads(data).values()
            self._is_words = False
        elif not any(skipped for _tag, skipped in self._open):
            self.content += data


def find_unmarked(text: str) -> list[str]:
    """Return the words in `text` that are in no brackets; there are brackets in brackets."""
    while "⟦" in text:
        shorter = re.sub("⟦[^⟦⟧]*⟧", "", text)
        assert shorter != text, text
        text = shorter
    return UNMARKED.findall(re.sub(r"\b(curl|Python)\b|\{\w+\}", "", text))


def unmarked_in_page(response: TestResponse) -> list[str]:
    finder = TextFinder()
    finder.feed(response.text)
    finder.close()
    assert "⟦" in finder.content
    return [word for text in (*finder.texts, finder.content) for word in find_unmarked(text)]


@pytest.fixture
def bracketed(app: Flask, tmp_path: Path) -> FlaskClient:
    """A client that reads French, in which every text is the English one in brackets."""
    texts: Texts = {
        text: tuple(BRACKETS % one for one in text) if isinstance(text, tuple) else BRACKETS % text
        for text in find_texts()
    }
    write_language(tmp_path / "languages", "fr", texts)
    add_catalogues(app, tmp_path / "languages")
    client = app.test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "fr"
    return client


@pytest.fixture
def nameless(torchserve: FakeTorchServe) -> dict[str, Any]:
    """An answer in which no name has letters."""
    return {
        **torchserve.prediction,
        "label": "1",
        "probabilities": {str(number): 0.9 / number for number in range(1, 8)},
        "model_input": "data:image/png;base64,iVBORw0KGgo=",
    }


def all_errors() -> Iterator[type[WebUIError]]:
    waiting = WebUIError.__subclasses__()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        yield kind


def create_error(kind: type[WebUIError]) -> WebUIError:
    samples = {
        int: 1000,
        int | None: 5000,
        float: 0.5,
        list[str]: ["1"],
        str | LazyString: BRACKETS % "a reason",
    }
    parameters = list(inspect.signature(kind).parameters.values())
    return kind(*(samples[parameter.annotation] for parameter in parameters))


def test_the_finder_of_words_finds_them() -> None:
    finder = TextFinder()
    finder.feed('<p title="one">⟦two <b>⟦three⟧</b> four⟧ five<br>6 % <code>no</code></p>')
    finder.close()
    assert find_unmarked(finder.texts[0]) == ["one"]
    assert find_unmarked(finder.content) == ["five"]


def test_no_text_of_the_form_is_left_unmarked(bracketed: FlaskClient) -> None:
    assert unmarked_in_page(bracketed.get("/")) == []


def test_no_text_about_the_api_is_left_unmarked(bracketed: FlaskClient) -> None:
    """Its document is in English, and says so; what stands around it is not."""
    shapes = bracketed.get("/api/openapi.json").get_json()["components"]["schemas"]
    types, constants = {"string", "number", "integer", "object"}, {"ok", "ready"}
    settings = {"KiB", "MiB", "per", "minute"}
    unmarked = set(unmarked_in_page(bracketed.get("/api")))
    assert unmarked - set(shapes) - types - constants - settings == set()


@pytest.mark.parametrize("picture", [PNG, b"II*\0 and so on"])
@pytest.mark.parametrize("path", ["/predict", "/predict?as=card"])
def test_no_text_of_an_answer_is_left_unmarked(
    bracketed: FlaskClient,
    torchserve: FakeTorchServe,
    nameless: dict[str, Any],
    picture: bytes,
    path: str,
) -> None:
    torchserve.will_answer(200, nameless)
    assert unmarked_in_page(send(bracketed, picture, path=path)) == []


@pytest.mark.parametrize("number", [1, 2])
def test_no_text_of_several_answers_is_left_unmarked(
    bracketed: FlaskClient, torchserve: FakeTorchServe, nameless: dict[str, Any], number: int
) -> None:
    for _ in range(number):
        torchserve.will_answer(200, nameless)
    response = send(bracketed, *[PNG] * number, b"", bytes(1_000_001))
    assert response.status_code == 200
    assert unmarked_in_page(response) == []


@pytest.mark.parametrize("path", ["/predict", "/predict?as=card"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": 400, "type": "UnreadableImageError", "message": "in English"}),
        (413, {"code": 413, "type": "ImageTooLargeError", "message": "in English"}),
        (415, {"code": 415, "type": "UnsupportedFormatError", "message": "in English"}),
        (404, {"code": 404, "type": "ModelNotFoundException", "message": "in English"}),
        (503, {"code": 503, "type": "ServiceUnavailableException", "message": "in English"}),
        (507, {"code": 507, "type": "InternalServerException", "message": WORKER_DIED}),
        (413, b"in English"),
        (500, {"code": 500, "type": "InternalServerException", "message": "in English"}),
        (418, b"in English"),
        (200, b"in English"),
        (200, {"predictions": []}),
    ],
)
def test_no_text_about_what_the_model_server_says_is_left_unmarked(
    bracketed: FlaskClient, torchserve: FakeTorchServe, status: int, body: object, path: str
) -> None:
    for _ in range(2):
        torchserve.will_answer(status, body)
    response = send(bracketed, PNG, path=path)
    assert response.status_code >= 400
    assert unmarked_in_page(response) == []


def test_no_text_of_an_error_page_is_left_unmarked(bracketed: FlaskClient) -> None:
    for response in (bracketed.get("/1"), bracketed.put("/"), send(bracketed)):
        assert response.status_code >= 400
        assert unmarked_in_page(response) == []


@pytest.mark.parametrize("kind", sorted(set(all_errors()) - {RejectedImageError}, key=str))
def test_no_text_of_any_error_is_left_unmarked(
    bracketed: FlaskClient, kind: type[WebUIError]
) -> None:
    with bracketed.application.test_request_context("/?language=fr"):
        error = create_error(kind)
        for text in (str(error.heading), str(error.message), str(error.as_dict()["message"])):
            assert "⟦" in text
            assert find_unmarked(text) == []


def test_a_language_is_added_by_its_folder_alone(app: Flask, tmp_path: Path) -> None:
    write_language(tmp_path / "languages", "fr", {"Classify": "Reconnaître"})
    add_catalogues(app, tmp_path / "languages")
    client = app.test_client()
    page = client.get("/", headers={"Accept-Language": "fr-CA, fr;q=0.9, en;q=0.5"}).text
    assert '<html lang="fr">' in page
    assert "Reconnaître" in page
    assert 'href="/?language=fr" hreflang="fr" lang="fr" aria-current="true">Français</a>' in page
    assert "Deutsch</a>" in page
    # What is not translated yet.
    assert "What is in this picture?" in page


def test_a_language_of_one_country_has_its_tag_in_the_page(app: Flask, tmp_path: Path) -> None:
    write_language(tmp_path / "languages", "pt_BR", {"Classify": "Classificar"})
    add_catalogues(app, tmp_path / "languages")
    page = app.test_client().get("/?language=pt_BR").text
    assert '<html lang="pt-BR">' in page
    assert 'hreflang="pt-BR" lang="pt-BR" aria-current="true">' in page
    assert "Classificar" in page


@pytest.mark.parametrize(
    ("path", "accepted", "language"),
    [
        ("/", "", "en"),
        ("/", "de", "de"),
        ("/", "de-AT", "de"),
        ("/", "de-AT, en;q=0.8", "de"),
        ("/", "fr, en-GB;q=0.9, en;q=0.8, de;q=0.7", "en"),
        ("/", "fr", "en"),
        ("/?language=de", "en", "de"),
        ("/?language=en", "de", "en"),
        ("/?language=xx", "de", "de"),
    ],
)
def test_the_address_or_else_the_browser_chooses_the_language(
    client: FlaskClient, path: str, accepted: str, language: str
) -> None:
    response = client.get(path, headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in response.text
    expected = {"en": "What is in this picture?", "de": "Was ist auf diesem Bild?"}[language]
    assert f"<h1>{expected}</h1>" in response.text


def test_a_language_chosen_by_hand_stays(client: FlaskClient) -> None:
    page = client.get("/?language=de", headers={"Accept-Language": "en"}).text
    assert 'action="/predict?language=de"' in page
    assert 'data-ready-url="/readyz?language=de"' in page
    answer = send(client, PNG, path="/predict?language=de", **{"Accept-Language": "en"}).text
    assert '<a class="button" href="/?language=de">Andere Bilder erkennen</a>' in answer
    assert 'href="/?language=en" hreflang="en" lang="en">English</a>' in answer


def test_numbers_are_written_as_germans_do(client: FlaskClient) -> None:
    page = client.get("/", headers={"Accept-Language": "de"}).text
    assert "je bis zu 976,6 KiB, höchstens 16 auf einmal" in page
    answer = send(client, PNG, **{"Accept-Language": "de-AT"}).text
    assert "zu <strong>93,1 %</strong> sicher" in answer
    assert re.findall(r'class="percentage">(.*?)</td>', answer)[:3] == [
        "93,1 %",
        "6,8 %",
        "&lt; 0,1 %",
    ]
    assert "<title>zebra (93,1 %) – Bilderkennung</title>" in answer
    assert "PNG, 4000 × 3000 Pixel, als Ganzes skaliert" in answer


def test_limits_of_several_pictures_have_german_numbers(client: FlaskClient) -> None:
    response = send(client, PNG, bytes(1_000_001), **{"Accept-Language": "de-AT"})
    assert "Das Bild ist größer als 976,6 KiB" in response.text
    assert "<h1>1 Antwort</h1>" in response.text
    assert "2 Bilder wurden gesendet." in response.text


def test_a_german_page_and_its_cards_say_so(client: FlaskClient) -> None:
    page = client.get("/?language=de").text
    assert re.findall(r'<(?:html|article)[^>]* lang="(.*?)"', page) == ["de"] * 6
    card = send(client, PNG, path="/predict?language=de&as=card").text
    assert re.findall(r'<article[^>]* lang="(.*?)"', card) == ["de"]


def test_errors_are_german_as_page_card_and_json(client: FlaskClient) -> None:
    message = "Die Datei hat keinen Inhalt (0 Byte). Wählen Sie eine andere."
    for path in ("/predict", "/predict?as=card"):
        response = send(client, b"", path=path, **{"Accept-Language": "de"})
        assert response.status_code == 400
        assert message in response.text
        assert "Fehler 400" in response.text
    answer = send(client, b"", **AS_JSON, **{"Accept-Language": "de"})
    assert answer.get_json() == {"code": 400, "type": "EmptyFileError", "message": message}
    page = client.get("/nothing-here", headers={"Accept-Language": "de"}).text
    assert "Diese Seite gibt es nicht" in page
    assert "Startseite ist „/“" in page


@pytest.mark.parametrize(
    ("type_name", "words"),
    [
        ("EmptyBodyError", "keinen Inhalt (0 Byte)"),
        ("ImageTooLargeError", "zu viele Pixel"),
        ("UnreadableImageError", "beschädigt oder unvollständig"),
        ("UnsupportedFormatError", "kein Bild in einem der Formate"),
    ],
)
def test_a_german_page_has_german_words_for_the_handlers(
    client: FlaskClient, torchserve: FakeTorchServe, type_name: str, words: str
) -> None:
    for _ in range(3):
        torchserve.will_answer_error(400, type_name, "The handler's own words.")
    page = send(client, PNG, **{"Accept-Language": "de"}).text
    assert words in page
    assert "The handler" not in page
    english = send(client, PNG, **{"Accept-Language": "en"}).text
    assert "The handler&#39;s own words." in english
    answer = send(client, PNG, **AS_JSON, **{"Accept-Language": "de"})
    assert answer.get_json()["message"] == "The handler's own words."


def test_readiness_is_told_in_the_language_of_the_page(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.will_describe(200, [{"workers": []}])
    response = client.get("/readyz?language=de")
    assert response.get_json()["message"].startswith("Das Modell wird noch geladen.")


def test_answers_say_that_they_depend_on_the_language(client: FlaskClient) -> None:
    for response in (send(client, PNG), send(client, b""), client.get("/nothing-here")):
        assert "accept-language" in response.vary
