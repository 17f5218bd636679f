"""The page for everyone: the keyboard alone, screen readers, colours and less motion."""

from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser, FloatRect, Page, expect

from tests.helpers.browser.looks import (
    contrast,
    count_standing_out,
    list_stops,
    read_colours,
    screenshot,
)
from tests.helpers.browser.pages import DESKTOP
from tests.helpers.browser.start_page import LETTER, SHIP, choose, classify, wait_for_answers
from tests.helpers.browser.states import SHIP_FILE, showing

# The least contrast that WCAG asks for in what is not text.
LEAST_CONTRAST = 3
# The width, in pixels, of the ring that WCAG 2.4.13 asks for.
LEAST_RING = 2
TAB_LIMIT = 80
DESCRIBE_FOCUS = """() => {
    const focused = document.activeElement;
    const {x, y, width, height} = (focused.closest(".picker, .theme") ?? focused)
        .getBoundingClientRect();
    return {
        html: focused.outerHTML.slice(0, 100),
        kind: `${focused.localName}.${focused.className}`,
        box: {x, y, width, height},
    };
}"""


@pytest.mark.parametrize("name", ["answer-with-everything-open", "without-scripts"])
def test_the_focus_can_be_seen_at_every_kind_of_stop(
    name: str, browser: Browser, web_uis: Mapping[str, str]
) -> None:
    """A ring around it stands out in either colour scheme."""
    with showing(name, browser, web_uis, viewport=DESKTOP, reduced_motion="reduce") as page:
        page.locator(".skip").focus()
        seen = set()
        for _ in list_stops(page):
            focus = page.evaluate(DESCRIBE_FOCUS)
            if focus["kind"] not in seen:
                seen.add(focus["kind"])
                assert has_visible_ring(page, focus["box"]), focus["html"]
            page.keyboard.press("Tab")
        assert len(seen) >= 4


def has_visible_ring(page: Page, box: FloatRect) -> bool:
    """Say whether the element in `box`, which has the focus and then loses it, shows that."""
    clip = widen(box)
    shots = {}
    schemes: tuple[Any, ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        shots[scheme] = screenshot(page, clip)
    page.evaluate("document.activeElement.blur()")
    around = 2 * (box["width"] + box["height"])
    return all(
        count_standing_out(shots[scheme], unfocused(page, clip, scheme), LEAST_CONTRAST)
        >= LEAST_RING * around
        for scheme in schemes
    )


def unfocused(page: Page, clip: FloatRect, scheme: Any) -> Any:
    page.emulate_media(color_scheme=scheme)
    return screenshot(page, clip)


def widen(box: FloatRect) -> FloatRect:
    left, top = max(0, box["x"] - 8), max(0, box["y"] - 8)
    right, bottom = box["x"] + box["width"] + 8, box["y"] + box["height"] + 8
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


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
    # With a listener, Chromium opens no dialog of its own.
    page.on("filechooser", lambda _chooser: None)
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    tab_to(page, "input[name=image]")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press(key)
    chooser.value.set_files({"name": "ship.png", "mimeType": "image/png", "buffer": SHIP})
    wait_for_answers(page)
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
    expect(page.get_by_role("button", name="Undo")).to_be_focused()


def test_the_colours_are_chosen_with_the_keyboard_alone(page: Page) -> None:
    page.goto("/")
    tab_to(page, "input[name=theme]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    expect(page.locator("body")).to_have_css("background-color", "rgb(15, 19, 27)")


def test_answers_and_errors_are_announced(page: Page) -> None:
    page.goto("/")
    log = page.get_by_role("log")
    expect(log).to_be_empty()
    choose(page, {**SHIP_FILE, "letter.png": LETTER})
    expect(log).to_contain_text("ship.png: ship, > 99.9 %")
    expect(log).to_contain_text(
        "letter.png: The model cannot read that kind of file. This is text."
    )
    page.get_by_role("button", name="Clear").click()
    expect(log).to_contain_text("The recent answers were cleared.")


def test_an_answer_has_its_parts_named(page: Page) -> None:
    classify(page, SHIP_FILE)
    card = page.get_by_role("article", name="ship")
    expect(card.get_by_role("img", name="The picture you chose: ship.png")).to_be_visible()
    expect(card.get_by_role("img", name="The pixels that the model saw")).to_be_visible()
    table = card.get_by_role("table", name="The 5 likeliest classes")
    expect(table.get_by_role("row", name="ship > 99.9 %")).to_be_visible()
    assert table.get_by_role("columnheader").all_text_contents() == ["Class", "Probability"]


@pytest.mark.parametrize("wish", ["no-preference", "reduce"])
def test_nothing_moves_for_those_who_wish_so(
    wish: Any, browser: Browser, web_uis: Mapping[str, str]
) -> None:
    with showing("waiting", browser, web_uis, reduced_motion=wish) as page:
        moving = page.evaluate("document.getAnimations().length")
        assert (moving == 0) == (wish == "reduce")
        page.get_by_role("button", name="Take a photo").hover()
        assert wish == "no-preference" or page.evaluate("document.getAnimations().length") == 0


def test_what_is_drawn_stands_out(browser: Browser, web_uis: Mapping[str, str]) -> None:
    media: list[Any] = [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"forced_colors": "active"},
    ]
    pairs = {
        "the bar of the answer": ((".first .bar-fill", "fill"), (".bar-track", "fill")),
        "another bar": (("tr:not(.first) .bar-fill", "fill"), (".bar-track", "fill")),
        "the place for pictures": ((".picker", "borderTopColor"), (".card", "backgroundColor")),
        "a button": ((".button-quiet", "borderTopColor"), (".card", "backgroundColor")),
    }
    with showing("several-answers", browser, web_uis, viewport=DESKTOP) as page:
        for each in media:
            page.emulate_media(**each)
            for name, (part, ground) in pairs.items():
                assert contrast(*read_colours(page, part, ground)) >= LEAST_CONTRAST, (name, each)
