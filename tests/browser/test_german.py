"""The pages in a browser that asks for German: nothing in English, nothing cut off."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.serving import PROJECT, Server

CATALOGUE = PROJECT / "webui" / "translations" / "de" / "LC_MESSAGES" / "messages.po"
TIMEOUT_MILLISECONDS = 20_000
PLACEHOLDER = re.compile(r"%\\\((\w+)\\\)[ds]")
# What can be seen or heard, but for what says of itself that it is in another language.
COLLECT_TEXTS = """() => {
  const texts = [document.title];
  const collect = (root) => {
    for (const node of root.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) texts.push(node.textContent.trim());
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      if (node.matches("script, template, code, [lang]:not([lang=de])")) continue;
      texts.push(...["alt", "title", "aria-label"].map((name) => node.getAttribute(name) ?? ""));
      collect(node);
    }
  };
  collect(document.body);
  return texts.filter((text) => text !== "");
}"""
# What sticks out of the window, and what is too small for its words. What is there
# for screen readers alone, and code, which scrolls, may.
FIND_CUT_OFF = """() => [...document.querySelectorAll("body *")].filter((element) => {
  if (element.closest(".visually-hidden, pre, svg, caption")) return false;
  if (!element.checkVisibility()) return false;
  const box = element.getBoundingClientRect();
  const isOutside = box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5;
  const isNarrow = element.matches("a, button, summary, p, h1, h2, h3, th, td, label")
    && getComputedStyle(element).display !== "inline"
    && element.scrollWidth > element.clientWidth;
  const isLow = element.matches("button, label.picker-face")
    && element.scrollHeight > element.clientHeight;
  return isOutside || isNarrow || isLow;
}).map((element) => element.outerHTML.slice(0, 200))"""


@pytest.fixture(params=[1280, 320])
def german_page(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Page]:
    """A page in a browser of someone in Austria, at desktop and at phone width."""
    context = browser.new_context(
        base_url=server.web_ui, locale="de-AT", viewport={"width": request.param, "height": 900}
    )
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    yield context.new_page()
    context.close()


def english_patterns() -> list[re.Pattern[str]]:
    """Return what finds each text that German has other words for, whatever it is filled with."""
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale="de")
    patterns = []
    for message in catalogue:
        texts: Any = message.id if isinstance(message.id, tuple) else (message.id,)
        if message.id and message.string != message.id:
            # Elements are no part of what can be seen.
            escaped = [re.escape(re.sub(r"</?\w+>", "", text)) for text in texts]
            patterns += [re.compile(PLACEHOLDER.sub(".+", text)) for text in escaped]
    return patterns


def require_german(page: Page) -> None:
    texts = page.evaluate(COLLECT_TEXTS)
    found = [text for text in texts for one in english_patterns() if one.fullmatch(text)]
    assert found == []
    assert len(texts) >= 10
    assert page.evaluate(FIND_CUT_OFF) == []
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0


def choose(page: Page, *contents: bytes) -> None:
    files: list[FilePayload] = [
        {"name": f"{index}.png", "mimeType": "image/png", "buffer": content}
        for index, content in enumerate(contents)
    ]
    page.locator("#image").set_input_files(files)


def test_the_start_page_is_german(german_page: Page) -> None:
    german_page.goto("/")
    expect(german_page.get_by_role("heading", level=1)).to_have_text("Was ist auf diesem Bild?")
    assert german_page.locator("html").get_attribute("lang") == "de"
    require_german(german_page)


def test_an_answer_is_german(german_page: Page, png: bytes) -> None:
    german_page.goto("/")
    choose(german_page, png)
    answer = german_page.locator("#answers [data-answer]")
    expect(answer.locator(".confidence")).to_have_text(re.compile(r"^zu (> )?\d+,\d % sicher$"))
    expect(answer).to_have_attribute("lang", "de")
    expect(german_page.get_by_role("heading", name="Letzte Antworten")).to_be_visible()
    for summary in answer.locator("summary").all():
        summary.click()
    expect(answer.get_by_role("button", name="curl kopieren")).to_be_visible()
    require_german(german_page)


def test_errors_are_german_too(german_page: Page, png: bytes) -> None:
    german_page.goto("/")
    choose(german_page, png, b"Dear Sir or Madam", b"")
    expect(german_page.locator("#answers .problem")).to_have_count(2)
    expect(german_page.locator("#answers [data-answer]")).to_have_count(1)
    expect(german_page.locator("#answers")).to_contain_text("kein Bild in einem der Formate")
    expect(german_page.locator("#answers")).to_contain_text("Die Datei hat keinen Inhalt")
    require_german(german_page)


def test_a_picture_that_waits_says_so_in_german(german_page: Page, png: bytes) -> None:
    german_page.goto("/")
    german_page.context.set_offline(True)
    choose(german_page, png)
    waiting = german_page.locator("#answers .waiting")
    expect(waiting).to_contain_text("Der Server ist nicht erreichbar")
    expect(waiting).to_contain_text("Diese Seite macht von selbst weiter")
    require_german(german_page)
    german_page.context.set_offline(False)
    expect(german_page.locator("#answers [data-answer]")).to_be_visible()


def test_answers_that_are_gone_say_so_in_german(german_page: Page) -> None:
    german_page.goto("/#answers-1")
    expect(german_page.locator("#answers")).to_contain_text("nicht mehr gespeichert")
    require_german(german_page)


def test_the_description_of_the_api_is_german_around_its_document(german_page: Page) -> None:
    german_page.goto("/")
    german_page.get_by_role("link", name="Per Code nutzen").click()
    expect(german_page.get_by_role("heading", level=1)).to_have_text("Per Code nutzen")
    require_german(german_page)


def test_the_language_link_leads_to_english_and_back(german_page: Page, png: bytes) -> None:
    german_page.goto("/")
    german_page.get_by_role("link", name="English").click()
    expect(german_page.get_by_role("heading", level=1)).to_have_text("What is in this picture?")
    choose(german_page, png)
    answer = german_page.locator("#answers [data-answer]")
    expect(answer.locator(".confidence")).to_have_text(re.compile(r"^(> )?\d+\.\d % confidence$"))
    expect(answer).to_have_attribute("lang", "en")
    german_page.get_by_role("link", name="Deutsch").click()
    expect(german_page.get_by_role("heading", level=1)).to_have_text("Was ist auf diesem Bild?")
