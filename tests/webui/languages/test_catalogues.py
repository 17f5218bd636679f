"""Every text that people read is in every catalogue, translated, and shown in their language."""

import functools
import io
import json
import re
import tomllib
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
from werkzeug.test import TestResponse

from model import PROJECT
from tests.helpers.fake_torchserve import MODEL_INPUT, WORKER_DIED, Answer, FakeTorchServe
from tests.helpers.sending import CARD, PNG, send, upload
from webui.errors import WebUIError
from webui.languages import Languages
from webui.torchserve.errors import RejectedImageError

CATALOGUES = sorted(PROJECT.glob("webui/translations/*/LC_MESSAGES/messages.po"))
KEYWORDS = {**DEFAULT_KEYWORDS, "lazy_gettext": None}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]")
MARKUP = re.compile(r"</?\w+>|[<>&\"]")

# A value for whatever an error may quote.
QUOTED = dict.fromkeys(
    (
        *("detail", "max_bytes", "max_fields", "max_picture_bytes", "max_pictures", "methods"),
        *("max_text_bytes", "retry_after_seconds", "seconds", "version"),
    ),
    1,
)

Texts = dict[str | tuple[str, ...], str | tuple[str, ...]]


@functools.cache
def find_texts() -> set[str | tuple[str, ...]]:
    """Return what is marked in the code and the templates, with the plural where there is one."""
    mappings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    methods = [(mapping["pattern"], mapping["method"]) for mapping in mappings]
    found = extract_from_dir(str(PROJECT / "webui"), method_map=methods, keywords=KEYWORDS)
    return {text for _file, _line, text, *_ in found}


def read_catalogue(file: Path) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=file.parents[1].name)


def messages(file: Path) -> list[Message]:
    return [message for message in read_catalogue(file) if message.id]


def variants(text: Any) -> tuple[str, ...]:
    """Return a text, or its singular and plural."""
    return text if isinstance(text, tuple) else (text,)


@pytest.fixture(params=CATALOGUES, ids=lambda file: file.parents[1].name)
def catalogue(request: pytest.FixtureRequest) -> Path:
    file: Path = request.param
    return file


def test_catalogue_holds_exactly_the_texts_of_today(catalogue: Path) -> None:
    """``make translations`` takes new ones over."""
    assert {message.id for message in messages(catalogue)} == find_texts()


def test_every_text_is_translated_with_its_placeholders_and_markup(catalogue: Path) -> None:
    for message in messages(catalogue):
        assert all(variants(message.string)), message.id
        assert not message.fuzzy, message.id
        # The singular may do without the number.
        allowed = [fixed_parts(text) for text in variants(message.id)]
        for translation in variants(message.string):
            assert fixed_parts(translation) in allowed, translation


def fixed_parts(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text) + MARKUP.findall(text))


def test_what_is_compiled_is_the_catalogue(catalogue: Path) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, read_catalogue(catalogue))
    assert catalogue.with_suffix(".mo").read_bytes() == compiled.getvalue()


# What follows shows pages in a language in which every text is in brackets, and looks for letters
# that are in none. Pictures and classes have numbers for names there.

BRACKETS = "⟦%s⟧"
UNMARKED = re.compile(r"[^\W\d_]{2,}")
# Elements that are not for people, or the same in every language.
UNTRANSLATED = {"code", "style", "script"}


class TextFinder(HTMLParser):
    """Collects what people read on a page or hear from it.

    It leaves out code, names of languages, and what says of itself that it is English.
    """

    read_aloud = ("alt", "title", "aria-label", "placeholder", "data-text")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        # All in one, because a text may have elements in it.
        self.content = ""
        self._open: list[tuple[str, bool]] = []
        self._is_words = False
        self.feed(page)
        self.close()

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
    """Return the words in ``text`` that are in no brackets; there are brackets in brackets."""
    while "⟦" in text:
        shorter = re.sub("⟦[^⟦⟧]*⟧", "", text)
        assert shorter != text, text
        text = shorter
    return UNMARKED.findall(re.sub(r"\b(curl|Python|CSV|JSON)\b|\{\w+\}", "", text))


def unmarked_in_page(response: TestResponse) -> list[str]:
    finder = TextFinder(response.text)
    assert "⟦" in finder.content
    return [word for text in (*finder.texts, finder.content) for word in find_unmarked(text)]


def add_language(app: Flask, folder: Path, code: str, texts: Texts) -> FlaskClient:
    """Add a language as everybody would, and return a client that reads it."""
    added = Catalog(locale=code)
    for text, translation in texts.items():
        added.add(text, translation)
    target = folder / "languages" / code / "LC_MESSAGES" / "messages.mo"
    target.parent.mkdir(parents=True)
    with target.open("wb") as file:
        write_mo(file, added)
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = f"translations;{folder / 'languages'}"
    Languages(app)
    client = app.test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = code.replace("_", "-")
    return client


@pytest.fixture
def bracketed(app: Flask, tmp_path: Path) -> FlaskClient:
    """A client that reads French, in which every text is the English one in brackets."""
    texts: Texts = {
        text: tuple(BRACKETS % one for one in text) if isinstance(text, tuple) else BRACKETS % text
        for text in find_texts()
    }
    return add_language(app, tmp_path, "fr", texts)


@pytest.fixture
def nameless(torchserve: FakeTorchServe) -> dict[str, Any]:
    """An answer in which no name has letters."""
    return {
        **torchserve.prediction,
        "label": "1",
        "probabilities": {str(number): 0.9 / number for number in range(1, 8)},
        "model_input": MODEL_INPUT,
    }


def test_no_text_about_the_api_is_left_unmarked(bracketed: FlaskClient) -> None:
    """Its document is in English, and says so; what stands around it is not."""
    assert unmarked_in_page(bracketed.get("/api")) == []


@pytest.mark.parametrize("path", ["/predict", CARD])
def test_no_text_of_an_answer_is_left_unmarked(
    bracketed: FlaskClient, torchserve: FakeTorchServe, nameless: dict[str, Any], path: str
) -> None:
    for picture in (PNG, b"II*\0 and so on"):
        torchserve.will_answer(200, nameless)
        assert unmarked_in_page(upload(bracketed, picture, "1", {}, path)) == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": 400, "type": "UnreadableImageError", "message": "in English"}),
        (404, {"code": 404, "type": "ModelNotFoundException", "message": "in English"}),
        (507, {"code": 507, "type": "InternalServerException", "message": WORKER_DIED}),
        (413, b"in English"),
        (418, b"in English"),
        (200, {"predictions": []}),
    ],
)
def test_no_text_about_what_the_model_server_says_is_left_unmarked(
    bracketed: FlaskClient, torchserve: FakeTorchServe, status: int, body: object
) -> None:
    for path in ("/predict", CARD):
        torchserve.answers_to[PNG] = Answer(status, body)
        response = upload(bracketed, PNG, "1", {}, path)
        assert response.status_code >= 400
        assert unmarked_in_page(response) == []


def test_no_text_of_the_form_or_an_error_page_is_left_unmarked(bracketed: FlaskClient) -> None:
    pages = [
        bracketed.get("/"),
        bracketed.get("/1"),
        bracketed.put("/"),
        send(bracketed, accept={}),
    ]
    assert [response.status_code for response in pages] == [200, 404, 405, 400]
    for response in pages:
        assert unmarked_in_page(response) == []


def test_no_text_of_any_error_is_left_unmarked(bracketed: FlaskClient) -> None:
    app = bracketed.application
    with app.test_request_context("/?language=fr"):
        for kind in {*WebUIError.__subclasses__()} - {RejectedImageError}:
            error = kind(**QUOTED)
            for text in (str(error.heading), error.message, str(error)):
                assert "⟦" in text
                assert find_unmarked(text) == [], error.type


def test_a_language_is_added_by_its_folder_alone(app: Flask, tmp_path: Path) -> None:
    client = add_language(app, tmp_path, "pt_BR", {"Classify": "Classificar"})
    page = client.get("/", headers={"Accept-Language": "pt-BR, pt;q=0.9, en;q=0.5"}).text
    assert '<html lang="pt-BR">' in page
    assert "Classificar" in page
    assert 'href="/?language=pt_BR" hreflang="pt-BR" lang="pt-BR" aria-current="true">' in page
    assert "Deutsch</a>" in page
    # This is not translated yet.
    assert "What is in this picture?" in page
