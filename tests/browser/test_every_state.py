"""What holds in every state of the page: axe-core, the Tab key, targets, and nothing cut off."""

from collections.abc import Iterator, Mapping

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

from tests.helpers.browser.looks import find_cut_off, find_cut_off_in_all_windows, list_stops
from tests.helpers.browser.pages import DESKTOP, PHONE
from tests.helpers.browser.states import STATES, showing

AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
LEAST_TARGET_PIXELS = 24
# States that are left out of most tests: sixteen cards are like five, only slower, and some errors
# differ from others in their words alone.
MANY = "many-answers"
ALIKE = {MANY, "error-unreadable", "error-too-large"}
ALIKE |= {f"page-{code}" for code in (400, 429, 502)}
RECORD_STOPS = """() => {
    window.stops = [];
    document.addEventListener("focusin", ({target}) => {
        window.stops.push(target.outerHTML.slice(0, 100));
    });
}"""
LIST_SMALL_TARGETS = """(least) => [
        ...document.querySelectorAll("a, button, input, select, summary")
    ]
    .filter((element) => element.checkVisibility())
    .filter((element) => !element.closest(".visually-hidden, p, td, th"))
    .filter((element) => {
        const {width, height} = element.getBoundingClientRect();
        return width < least || height < least;
    })
    .map((element) => element.outerHTML.slice(0, 100))"""
# The spacing of WCAG 1.4.12, in a constructed style sheet: the policy of the page refuses others.
SPACE_TEXT = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`* {
        line-height: 1.5 !important;
        letter-spacing: 0.12em !important;
        word-spacing: 0.16em !important;
    }
    p { margin-bottom: 2em !important; }`);
    document.adoptedStyleSheets = [sheet];
}"""


@pytest.fixture(scope="module", params=sorted(STATES.keys() - ALIKE))
def shown(
    request: pytest.FixtureRequest, browser: Browser, web_uis: Mapping[str, str]
) -> Iterator[Page]:
    """A page in each of its states, shared by the tests that only look at it."""
    with showing(request.param, browser, web_uis, reduced_motion="reduce") as page:
        yield page


def violations(page: Page) -> list[str]:
    """Return what axe-core finds, in every colour scheme and at either width."""
    found = []
    for viewport, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        results = Axe().run(page, options=AXE_OPTIONS).response["violations"]
        found += [
            f"{scheme}, {viewport['width']} px: {rule['id']}: {node['html'][:150]}: "
            f"{node['failureSummary']}"
            for rule in results
            for node in rule["nodes"]
        ]
    return found


def test_axe_finds_nothing(shown: Page) -> None:
    assert violations(shown) == []


def test_axe_would_find_something(page: Page) -> None:
    page.goto("/")
    page.evaluate("document.documentElement.lang = ''")
    page.evaluate("document.querySelector('h1').style.color = 'lightgrey'")
    found = "".join(violations(page))
    assert "html-has-lang" in found
    assert "color-contrast" in found


def test_the_tab_key_reaches_everything_in_order(shown: Page) -> None:
    if shown.locator("dialog[open]").count():
        pytest.skip("an open dialog keeps the focus to itself")
    shown.set_viewport_size(DESKTOP)
    expected = list_stops(shown)
    shown.evaluate(RECORD_STOPS)
    # Another test holds that the Tab key leads from the browser to this first stop.
    shown.locator(".skip").focus()
    for _ in expected:
        shown.keyboard.press("Tab")
    assert shown.evaluate("window.stops") == expected
    assert shown.evaluate("document.activeElement === document.body")


def test_targets_are_large_enough(shown: Page) -> None:
    shown.set_viewport_size(PHONE)
    assert shown.evaluate(LIST_SMALL_TARGETS, LEAST_TARGET_PIXELS) == []


def test_nothing_is_cut_off(shown: Page) -> None:
    assert find_cut_off_in_all_windows(shown) == []


def test_nothing_is_cut_off_among_many_answers(
    browser: Browser, web_uis: Mapping[str, str]
) -> None:
    with showing(MANY, browser, web_uis) as page:
        assert find_cut_off_in_all_windows(page) == []


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        (SPACE_TEXT, "document.adoptedStyleSheets = []"),
        [f"document.documentElement.style.fontSize = '{size}'" for size in ("200%", "")],
    ],
    ids=["spaced", "twice as large"],
)
def test_nothing_is_cut_off_when_the_text_takes_more_room(
    shown: Page, change: str, undo: str
) -> None:
    shown.set_viewport_size(DESKTOP)
    shown.evaluate(change)
    found = find_cut_off(shown)
    shown.evaluate(undo)
    assert found == []


def test_what_is_cut_off_would_be_found(browser: Browser, web_uis: Mapping[str, str]) -> None:
    with showing("answer", browser, web_uis, viewport=DESKTOP) as page:
        for selector, style in (
            (".label", "position: relative; left: 900px"),
            (".ranking tbody th", "white-space: nowrap; letter-spacing: 2em"),
            (".button-quiet", "min-height: 0; height: 5px; padding: 0"),
            ("footer", "min-width: 5000px"),
        ):
            page.evaluate(
                "([name, style]) => document.querySelector(name).style = style", [selector, style]
            )
            assert find_cut_off(page) != [], selector
            page.evaluate("(name) => document.querySelector(name).style = ''", selector)
            assert find_cut_off(page) == [], selector
