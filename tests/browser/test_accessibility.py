"""The page for everyone: axe-core in every state, the keyboard alone, large text, less motion."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, FloatRect, Page, ViewportSize, expect

from tests.browser.chromium import launch_options
from tests.browser.looks import contrast, count_standing_out, find_cut_off, screenshot
from tests.browser.states import (
    LETTER,
    STATES,
    choose,
    expect_answers,
    picture,
    showing,
)
from tests.browser.web_uis import USUAL, running_web_uis
from tests.serving import Server

AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 320, "height": 640}
# WCAG's, for what is no text.
LEAST_CONTRAST = 3
LEAST_TARGET = 24
# Sixteen cards are as five, only slower.
SMALLER_STATES = [name for name in STATES if name != "many-answers"]
TAB_LIMIT = 80
FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]

# What the Tab key must reach, in the order of the document; of radio buttons the chosen one.
LIST_STOPS = """() => [...document.querySelectorAll("a[href], button, input, summary, [tabindex]")]
    .filter((element) => element.checkVisibility() && !element.disabled && element.tabIndex >= 0)
    .filter((element) => element.type !== "radio" || element.checked)
    .map((element) => element.outerHTML.slice(0, 100))"""
DESCRIBE_FOCUS = """() => {
    const focused = document.activeElement;
    if (focused === document.body) return null;
    const {x, y, width, height} = (focused.closest(".picker, .theme") ?? focused)
        .getBoundingClientRect();
    return {html: focused.outerHTML.slice(0, 100), box: {x, y, width, height}};
}"""
LIST_SMALL_TARGETS = """(least) => [...document.querySelectorAll("a, button, input, summary")]
    .filter((element) => element.checkVisibility())
    .filter((element) => !element.closest(".visually-hidden, p, td, th"))
    .filter((element) => {
        const {width, height} = element.getBoundingClientRect();
        return width < least || height < least;
    })
    .map((element) => element.outerHTML.slice(0, 100))"""
# WCAG 1.4.12, through a style sheet that is none of the document's, which would be refused.
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
READ_COLOURS = """(parts) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    return parts.map(([selector, property]) => {
        canvas.fillStyle = getComputedStyle(document.querySelector(selector))[property];
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    });
}"""


@pytest.fixture(scope="module")
def web_uis(server: Server) -> Iterator[Mapping[str, str]]:
    with running_web_uis(server) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def browser_with_camera(browser: Browser) -> Iterator[Browser]:
    options = launch_options()
    chromium = browser.browser_type.launch(**{**options, "args": [*options["args"], *FAKE_CAMERA]})
    yield chromium
    chromium.close()


@pytest.fixture(scope="module", params=SMALLER_STATES)
def shown(
    request: pytest.FixtureRequest, browser: Browser, web_uis: Mapping[str, str]
) -> Iterator[Page]:
    """A page in each of its states, shared by the tests that only look at it."""
    with showing(
        request.param, browser, web_uis, viewport=DESKTOP, reduced_motion="reduce"
    ) as page:
        yield page


@pytest.fixture
def page(browser: Browser, web_uis: Mapping[str, str]) -> Iterator[Page]:
    context = browser.new_context(base_url=web_uis[USUAL], viewport=DESKTOP)
    yield context.new_page()
    context.close()


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
    page.evaluate("document.querySelector('#open-camera').style = 'all: unset; font-size: 9px'")
    found = "".join(violations(page))
    assert "html-has-lang" in found
    assert "color-contrast" in found


def test_the_tab_key_reaches_everything_in_order(shown: Page) -> None:
    if shown.locator("dialog[open]").count():
        pytest.skip("an open dialog keeps the focus to itself")
    leave_page(shown)
    stops, expected = [], shown.evaluate(LIST_STOPS)
    for _ in range(len(expected) + 1):
        shown.keyboard.press("Tab")
        stops.append((shown.evaluate(DESCRIBE_FOCUS) or {"html": "the browser"})["html"])
    assert stops == [*expected, "the browser"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["answer-with-everything-open", "without-scripts", "page-404"])
def test_the_focus_can_be_seen_at_every_stop(
    name: str, scheme: Any, browser: Browser, web_uis: Mapping[str, str]
) -> None:
    """Two pixels all around that stand out, as WCAG 2.4.13 asks for."""
    with showing(
        name, browser, web_uis, viewport=DESKTOP, color_scheme=scheme, reduced_motion="reduce"
    ) as page:
        leave_page(page)
        for _ in page.evaluate(LIST_STOPS):
            page.keyboard.press("Tab")
            focus = page.evaluate(DESCRIBE_FOCUS)
            assert focus is not None
            clip = widen(focus["box"])
            focused = screenshot(page, clip)
            page.evaluate("document.activeElement.blur()")
            seen = count_standing_out(screenshot(page, clip), focused, LEAST_CONTRAST)
            around = 2 * (focus["box"]["width"] + focus["box"]["height"])
            assert seen >= 2 * around, focus["html"]


def widen(box: FloatRect) -> FloatRect:
    left, top = max(0, box["x"] - 8), max(0, box["y"] - 8)
    right, bottom = box["x"] + box["width"] + 8, box["y"] + box["height"] + 8
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def leave_page(page: Page) -> None:
    """Press Tab until the focus is the browser's, before the beginning of the page."""
    page.keyboard.press("Tab")
    for _ in range(TAB_LIMIT):
        if page.evaluate(DESCRIBE_FOCUS) is None:
            return
        page.keyboard.press("Tab")
    raise AssertionError("the Tab key never leaves the page")


def tab_to(page: Page, selector: str) -> None:
    for _ in range(TAB_LIMIT):
        if page.locator(selector).first.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key never came to {selector}")


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_picture_is_chosen_and_its_answer_read_with_the_keyboard_alone(
    page: Page, key: str
) -> None:
    # So that no dialog is opened before somebody waits for it.
    page.on("filechooser", lambda _chooser: None)
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    tab_to(page, "input[name=image]")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press(key)
    chooser.value.set_files([picture("ship")])
    expect_answers(page, 1)
    for summary in ("The other 5 classes", "The same from code"):
        tab_to(page, f"summary:has-text('{summary}')")
        page.keyboard.press(key)
    expect(page.get_by_role("row", name="horse < 0.1 %")).to_be_visible()
    tab_to(page, "[data-copy]")
    page.keyboard.press(key)
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    tab_to(page, "#recent a")
    page.keyboard.press("Enter")
    tab_to(page, "#clear-recent")
    page.keyboard.press(key)
    expect(page.locator("#recent")).to_be_hidden()
    expect(page.locator("main")).to_be_focused()


def test_the_colours_are_chosen_with_the_keyboard_alone(page: Page) -> None:
    page.goto("/")
    tab_to(page, "input[name=theme]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    expect(page.locator("body")).to_have_css("background-color", "rgb(15, 19, 27)")


def test_a_photo_is_taken_with_the_keyboard_alone(
    browser_with_camera: Browser, web_uis: Mapping[str, str]
) -> None:
    with showing("camera", browser_with_camera, web_uis, permissions=["camera"]) as page:
        expect(page.get_by_role("dialog", name="Take a photo")).to_be_visible()
        expect(page.locator("#shutter")).to_be_focused()
        assert violations(page) == []
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.locator("#open-camera")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#shutter")).to_be_focused()
        page.keyboard.press("Space")
        expect_answers(page, 1)


def test_targets_are_large_enough(shown: Page) -> None:
    shown.set_viewport_size(PHONE)
    assert shown.evaluate(LIST_SMALL_TARGETS, LEAST_TARGET) == []


def test_answers_and_errors_are_announced(page: Page) -> None:
    page.goto("/")
    log = page.get_by_role("log")
    expect(log).to_be_empty()
    page.locator("input[name=image]").set_input_files([picture("ship"), LETTER])
    expect(log).to_contain_text("ship.png: ship, > 99.9 %")
    expect(log).to_contain_text(
        "letter.png: The model cannot read that kind of file. This is text."
    )
    page.get_by_role("button", name="Clear").click()
    expect(log).to_contain_text("The recent answers were cleared.")


def test_an_answer_has_its_parts_named(page: Page) -> None:
    choose(page, picture("ship"))
    card = page.get_by_role("article", name="ship")
    expect(card.get_by_role("img", name="The picture you chose: ship.png")).to_be_visible()
    expect(card.get_by_role("img", name="The pixels that the model saw")).to_be_visible()
    table = card.get_by_role("table", name="The 5 likeliest classes")
    expect(table.get_by_role("row", name="ship > 99.9 %")).to_be_visible()
    assert table.get_by_role("columnheader").all_text_contents() == ["Class", "Probability"]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("start", "What is in this picture? – Image classifier"),
        ("answer", "ship (> 99.9 %) – Image classifier"),
        ("without-scripts-answer", "ship (> 99.9 %) – Image classifier"),
        ("without-scripts-several-answers", "2 answers – Image classifier"),
        ("page-404", "There is no such page – Image classifier"),
        ("api", "Use it from code – Image classifier"),
    ],
)
def test_the_title_says_what_the_page_shows(
    name: str, title: str, browser: Browser, web_uis: Mapping[str, str]
) -> None:
    with showing(name, browser, web_uis) as page:
        expect(page).to_have_title(title)


@pytest.mark.parametrize("wish", ["no-preference", "reduce"])
def test_nothing_moves_for_those_who_wish_so(
    wish: Any, browser: Browser, web_uis: Mapping[str, str]
) -> None:
    with showing("waiting", browser, web_uis, reduced_motion=wish) as page:
        moving = page.evaluate("document.getAnimations().length")
        assert (moving == 0) == (wish == "reduce")
        page.get_by_role("button", name="Take a photo").hover()
        assert wish == "no-preference" or page.evaluate("document.getAnimations().length") == 0


def test_nothing_is_cut_off_with_more_space_in_the_text(shown: Page) -> None:
    shown.set_viewport_size(DESKTOP)
    shown.evaluate(SPACE_TEXT)
    found = find_cut_off(shown)
    shown.evaluate("document.adoptedStyleSheets = []")
    assert found == []


def test_nothing_is_cut_off_when_the_text_is_twice_as_large(shown: Page) -> None:
    shown.set_viewport_size(DESKTOP)
    shown.evaluate("document.documentElement.style.fontSize = '200%'")
    found = find_cut_off(shown)
    shown.evaluate("document.documentElement.style.fontSize = ''")
    assert found == []


@pytest.mark.parametrize(
    "media", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}]
)
def test_what_is_drawn_stands_out(media: Any, browser: Browser, web_uis: Mapping[str, str]) -> None:
    with showing("several-answers", browser, web_uis, viewport=DESKTOP, **media) as page:
        pairs = {
            "the bar of the answer": ((".first .bar-fill", "fill"), (".bar-track", "fill")),
            "another bar": (("tr:not(.first) .bar-fill", "fill"), (".bar-track", "fill")),
            "the place for pictures": ((".picker", "borderTopColor"), (".card", "backgroundColor")),
            "a button": ((".button-quiet", "borderTopColor"), (".card", "backgroundColor")),
        }
        for name, (part, ground) in pairs.items():
            colours = page.evaluate(READ_COLOURS, [part, ground])
            assert contrast(*colours) >= LEAST_CONTRAST, name
