"""Many pictures at once: how many got which answer, which are shown, in which order, as files."""

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser.pages import PHONE
from tests.helpers.browser.start_page import (
    FOREST,
    LETTER,
    SHIP,
    SKY,
    answers,
    cards,
    choose,
    held_predictions,
    open_with,
    wait_for_answers,
    wait_until_kept,
)
from tests.helpers.server import Server

# The shipped version 1.0 is unsure about the forest.
FILES = {
    "sky.png": SKY,
    "ship.png": SHIP,
    "letter.txt": LETTER,
    "forest.png": FOREST,
    "sky 2.png": SKY,
}
HOSTILE = '=HYPERLINK("http://example.com";"a, b").png'
CLASSES = [
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
]


@pytest.fixture
def shown(page: Page) -> Page:
    """A page with an answer or an error for each of the files."""
    open_with(page, FILES)
    wait_for_answers(page, 4)
    return page


def kinds(page: Page) -> list[str]:
    return page.locator("#strip .kinds button").all_inner_texts()


def names(page: Page) -> list[str]:
    """Return the names of the files on the cards that are shown."""
    return page.locator("#answers .answer:visible .filename").all_inner_texts()


def download(page: Page, button: str) -> Path:
    with page.expect_download() as started:
        page.get_by_role("button", name=button).click()
    return Path(started.value.path())


def test_counts_grow_as_answers_come_in(page: Page) -> None:
    page.goto("/")
    with held_predictions(page) as held:
        choose(page, FILES)
        expect(page.locator("#strip")).to_contain_text("5 under way")
        assert kinds(page) == []
        held.pop(0).continue_()
        expect(page.locator("#strip")).to_contain_text("4 under way")
        assert len(kinds(page)) == 1
        for route in held:
            route.continue_()
    wait_for_answers(page, 4)
    expect(page.locator("#strip")).not_to_contain_text("under way")
    assert kinds(page) == ["airplane 2", "ship 1", "not sure 1", "failed 1"]


def test_a_single_picture_has_no_strip(page: Page) -> None:
    open_with(page, {"ship.png": SHIP})
    expect(page.locator(".correction")).to_be_visible()
    expect(page.locator("#strip")).to_be_hidden()


def test_a_click_shows_one_kind_alone_and_another_click_all(shown: Page) -> None:
    only = shown.get_by_role("button", name="airplane 2")
    only.press("Enter")
    expect(only).to_have_attribute("aria-pressed", "true")
    expect(only).to_be_focused()
    assert names(shown) == ["sky.png", "sky 2.png"]
    expect(shown.get_by_role("log")).to_contain_text("2 of 5 pictures are shown.")
    for name, files in (("not sure 1", ["forest.png"]), ("failed 1", ["letter.txt"])):
        shown.get_by_role("button", name=name).click()
        assert names(shown) == files
    shown.get_by_role("button", name="failed 1").click()
    assert names(shown) == list(FILES)
    assert shown.locator("#strip [aria-pressed=true]").count() == 0


def test_a_recent_answer_is_shown_though_its_kind_is_not(shown: Page) -> None:
    wait_until_kept(shown, 5)
    shown.get_by_role("button", name="failed 1").click()
    shown.get_by_role("link", name="sky 2.png").click()
    expect(cards(shown).nth(4)).to_be_focused()
    assert names(shown) == list(FILES)


def test_what_is_hidden_is_back_after_a_reload(shown: Page) -> None:
    shown.get_by_role("button", name="ship 1").click()
    shown.get_by_role("button", name="Most doubtful first").click()
    choose(shown, {"ship.png": SHIP})
    wait_for_answers(shown, 1)
    shown.go_back()
    wait_for_answers(shown, 4)
    shown.reload()
    wait_for_answers(shown, 4)
    assert names(shown) == list(FILES)


def test_the_most_doubtful_come_first_and_errors_last(shown: Page) -> None:
    button = shown.get_by_role("button", name="Most doubtful first")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_be_focused()
    assert names(shown) == ["forest.png", "sky.png", "sky 2.png", "ship.png", "letter.txt"]
    button.click()
    assert names(shown) == list(FILES)


def test_an_answer_takes_its_place_and_leaves_the_focus_where_it_is(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.goto("/")
    with held_predictions(page) as held:
        choose(page, {"ship.png": SHIP, "sky.png": SKY, "forest.png": FOREST})
        page.get_by_role("button", name="Most doubtful first").click()
        for _ in range(2):
            held.pop(0).continue_()
        expect(answers(page)).to_have_count(2)
        assert names(page) == ["sky.png", "ship.png", "forest.png"]
        details = page.get_by_role("article", name="ship").locator("summary").first
        details.focus()
        before = details.bounding_box()
        held.pop(0).continue_()
        expect(answers(page)).to_have_count(3)
    assert names(page) == ["forest.png", "sky.png", "ship.png"]
    expect(details).to_be_focused()
    after = details.bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] == pytest.approx(before["y"], abs=2)


def test_on_a_phone_the_strip_is_seen_with_the_first_answer(page: Page) -> None:
    page.set_viewport_size(PHONE)
    open_with(page, FILES)
    wait_for_answers(page, 4)
    expect(page.locator("#strip")).to_be_in_viewport(ratio=1)
    expect(page.locator("#answers .label").first).to_be_in_viewport(ratio=1)


def test_all_versions_are_counted_by_the_first(page: Page) -> None:
    page.goto("/?version=all")
    choose(page, {"ship.png": SHIP, "sky.png": SKY})
    wait_for_answers(page, 2)
    expect(page.locator("#strip .kinds b")).to_have_text(["1", "1"])
    table = list(csv.DictReader(StringIO(download(page, "CSV").read_text("utf-8-sig"))))
    assert [(row["filename"], row["version"]) for row in table] == [
        (name, version) for name in ("ship.png", "sky.png") for version in ("1.0", "2.0")
    ]


def test_csv_has_every_probability_and_no_formula(page: Page) -> None:
    open_with(page, {HOSTILE: SHIP, "letter.txt": LETTER, "sky.png": SKY})
    wait_for_answers(page, 2)
    cards(page).nth(2).get_by_label("Wrong? It is").select_option("bird")
    expect(page.get_by_role("button", name="Download 1 as ZIP")).to_be_visible()
    text = download(page, "CSV").read_bytes().decode("utf-8-sig")
    table = list(csv.DictReader(StringIO(text, newline=""), strict=True))
    assert list(table[0]) == [
        *("filename", "label", "confidence"),
        *CLASSES,
        *("version", "correction", "error"),
    ]
    ship, letter, sky = table
    assert ship["filename"] == f"'{HOSTILE}"
    assert (ship["label"], ship["version"], ship["correction"]) == ("ship", "1.0", "")
    assert float(ship["confidence"]) == float(ship["ship"])
    assert sum(float(ship[name]) for name in CLASSES) == pytest.approx(1, abs=0.001)
    assert sky["correction"] == "bird"
    assert (letter["label"], letter["error"]) == ("", "UnsupportedFormatError")


def test_json_has_what_the_rest_interface_answers(page: Page, server: Server) -> None:
    open_with(page, {HOSTILE: SHIP, "letter.txt": LETTER})
    wait_for_answers(page, 1)
    ship, letter = json.loads(download(page, "JSON").read_text())["predictions"]
    expected: dict[str, Any] = server.ask_page(SHIP).json()
    assert ship == {**expected, "filename": HOSTILE}
    assert list(ship["probabilities"]) == list(expected["probabilities"])
    assert letter["filename"] == "letter.txt"
    assert letter["type"] == "UnsupportedFormatError"
