"""Dark or light, and the language: by the system and the browser, or as chosen here."""

from collections.abc import Mapping
from typing import Literal

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from tests.helpers.browser.looks import find_cut_off_in_all_windows, luminance, read_colours
from tests.helpers.browser.start_page import SHIP, choose, wait_for_answers
from tests.helpers.browser.states import showing
from webui.languages import Languages

Scheme = Literal["light", "dark"]
# The languages that there are catalogues for, with their names.
LANGUAGES = Languages(Flask("webui")).names
WATCH_THEME = """
    new MutationObserver((_, observer) => {
        if (!document.documentElement?.dataset.theme) return;
        window.themeIsSet = {at: performance.now(), body: document.body !== null};
        observer.disconnect();
    }).observe(document, {attributes: true, childList: true, subtree: true});
"""
FIRST_PAINT = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntries()[0].startTime))
        .observe({type: "paint", buffered: true});
})"""
# A text of each state that is looked at in German.
GERMAN = {
    "start": "Was ist auf diesem Bild?",
    "answer-with-everything-open": "zu > 99,9 % sicher",
    "several-answers": "kein Bild in einem der Formate",
    "error-empty": "Die Datei hat keinen Inhalt",
    "offline": "Diese Seite macht von selbst weiter",
    "recent": "Letzte Antworten",
    "answers-gone": "nicht gespeichert",
    "api": "Per Code nutzen",
}


def is_dark(page: Page) -> bool:
    """Say what is seen: whether the page's ground is darker than its text."""
    text, ground = luminance(read_colours(page, ("body", "color"), ("body", "backgroundColor")))
    return bool(ground < text)


def choose_theme(page: Page, name: str) -> None:
    page.locator(".theme", has_text=name).click()


def test_colours_are_the_systems_until_something_else_is_chosen(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/")
    assert not is_dark(page)
    expect(page.get_by_role("radio", name="As the system")).to_be_checked()
    page.emulate_media(color_scheme="dark")
    assert is_dark(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_choice_holds_on_every_page_and_after_reload(page: Page, scheme: Scheme) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("/")
    other = "Light" if scheme == "dark" else "Dark"
    choose_theme(page, other)
    assert is_dark(page) == (scheme == "light")
    for address in ("/", "/no-such-page"):
        page.goto(address)
        assert is_dark(page) == (scheme == "light")
        expect(page.get_by_role("radio", name=other)).to_be_checked()
    choose_theme(page, "As the system")
    page.reload()
    assert is_dark(page) == (scheme == "dark")


def test_a_choice_is_there_before_anything_is_drawn(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/")
    choose_theme(page, "Dark")
    page.add_init_script(WATCH_THEME)
    page.reload()
    first_paint = page.evaluate(FIRST_PAINT)
    set_when = page.evaluate("window.themeIsSet")
    assert not set_when["body"]
    assert set_when["at"] < first_paint


def test_something_else_that_is_kept_as_a_theme_is_the_systems(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    page.evaluate("localStorage.setItem('theme', 'purple')")
    page.reload()
    assert is_dark(page)
    expect(page.get_by_role("radio", name="As the system")).to_be_checked()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_javascript_a_choice_holds_for_a_page(
    page_without_javascript: Page, scheme: Scheme
) -> None:
    page = page_without_javascript
    page.emulate_media(color_scheme=scheme)
    page.goto("/")
    assert is_dark(page) == (scheme == "dark")
    choose_theme(page, "Light" if scheme == "dark" else "Dark")
    assert is_dark(page) == (scheme == "light")


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_language_has_a_link_that_holds(page: Page, code: str) -> None:
    # The language that a page is in may have no link.
    other = next(each for each in LANGUAGES if each != code)
    page.goto(f"/?language={other}")
    link = page.locator(f"nav a[hreflang={code}]")
    expect(link).to_have_text(LANGUAGES[code])
    link.click()
    expect(page.locator("html")).to_have_attribute("lang", code)
    expect(link).to_have_attribute("aria-current", "true")
    choose(page, {"ship.png": SHIP})
    wait_for_answers(page)
    expect(page.locator("#answers article")).to_have_attribute("lang", code)
    page.locator(".brand").click()
    expect(page.locator("html")).to_have_attribute("lang", code)


@pytest.mark.parametrize("state", GERMAN)
def test_german_fits_its_place(browser: Browser, web_uis: Mapping[str, str], state: str) -> None:
    """German words are longer."""
    with showing(state, browser, web_uis, locale="de-AT") as page:
        expect(page.locator("html")).to_have_attribute("lang", "de")
        expect(page.locator("main")).to_contain_text(GERMAN[state])
        assert find_cut_off_in_all_windows(page) == []
