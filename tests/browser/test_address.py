"""The address, the back button and reload: each batch of pictures has a place of its own."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.helpers.browser.start_page import (
    COUNT_PICTURES,
    LETTER,
    SHIP,
    SKY,
    answers,
    cards,
    choose,
    classify,
    expect_labels,
    held_predictions,
    open_with,
    wait_for_answers,
    wait_until_kept,
    watch_predictions,
)
from tests.helpers.waiting import wait_until

TITLE = "What is in this picture? – Image classifier"
SHIP_TITLE = "ship (> 99.9 %) – Image classifier"
SKY_TITLE = "airplane (79.1 %) – Image classifier"
ADDRESS = re.compile(r"/#answers-\w+$")
# Number of batches that is more than the page remembers.
BATCHES = 20
GONE = "These answers are not kept in this browser"


def test_each_batch_has_an_address_and_a_title(page: Page) -> None:
    page.goto("/")
    expect(page).to_have_title(TITLE)
    choose(page, {"ship.png": SHIP})
    expect(page).to_have_title(SHIP_TITLE)
    expect(page).to_have_url(ADDRESS)
    first = page.url
    choose(page, {"sky.png": SKY, "letter.txt": LETTER})
    expect(page).to_have_title(SKY_TITLE)
    assert page.url != first
    choose(page, {"ship.png": SHIP, "sky.png": SKY})
    expect(page).to_have_title(f"ship (> 99.9 %), {SKY_TITLE}")


def test_back_and_forward_lead_to_what_was_there(page: Page) -> None:
    classify(page, {"ship.png": SHIP})
    choose(page, {"sky.png": SKY})
    expect(page).to_have_title(SKY_TITLE)
    sent = watch_predictions(page)
    page.go_back()
    expect_labels(page, ["ship"])
    expect(page).to_have_title(SHIP_TITLE)
    page.go_back()
    expect(cards(page)).to_have_count(0)
    expect(page).to_have_title(TITLE)
    page.go_forward()
    page.go_forward()
    expect_labels(page, ["airplane"])
    expect(page).to_have_title(SKY_TITLE)
    assert sent == []


def test_reload_shows_the_same_answers_with_their_pictures(page: Page) -> None:
    files = {"ship.png": SHIP, "letter.txt": LETTER, "sky.png": SKY}
    open_with(page, files)
    wait_for_answers(page, 2)
    wait_until_kept(page, 3)
    before = cards(page).all_inner_texts()
    sent = watch_predictions(page)
    page.reload()
    wait_for_answers(page, 2)
    assert cards(page).all_inner_texts() == before
    expect(page).to_have_title(f"ship (> 99.9 %), {SKY_TITLE}")
    for picture in answers(page).locator("[data-preview] img").all():
        expect(picture).to_be_visible()
        assert picture.evaluate("async (image) => {await image.decode(); return true;}")
    assert sent == []


def test_a_batch_goes_on_while_something_else_is_looked_at(page: Page) -> None:
    with held_predictions(page):
        open_with(page, {"ship.png": SHIP})
        expect(page.locator(".waiting")).to_have_count(1)
        page.go_back()
        expect(cards(page)).to_have_count(0)
        page.go_forward()
        expect(page.locator(".waiting")).to_have_count(1)
        page.go_back()
    expect(page.locator("#recent")).to_be_visible()
    expect(cards(page)).to_have_count(0)
    expect(page).to_have_title(TITLE)
    page.go_forward()
    expect_labels(page, ["ship"])
    expect(page).to_have_title(SHIP_TITLE)


def test_pictures_can_be_chosen_while_others_wait(page: Page) -> None:
    with held_predictions(page):
        open_with(page, {"ship.png": SHIP})
        expect(page.locator(".waiting")).to_have_count(1)
        choose(page, {"sky.png": SKY})
        expect(cards(page).locator(".filename")).to_have_text("sky.png")
    expect_labels(page, ["airplane"])
    page.go_back()
    expect_labels(page, ["ship"])


def test_no_batch_is_forgotten_while_its_pictures_wait(page: Page) -> None:
    with held_predictions(page):
        open_with(page, {"ship.png": SHIP})
        expect(page.locator(".waiting")).to_have_count(1)
        first = page.evaluate("location.href")
        for _ in range(BATCHES):
            choose(page, {"letter.txt": b""})
    expect(page.locator("#announcements")).to_contain_text("ship.png: ship")
    page.evaluate("address => { location = address; }", first)
    expect_labels(page, ["ship"])
    wait_until_kept(page, BATCHES + 1)
    page.reload()
    expect_labels(page, ["ship"])


def test_another_language_brings_the_answers_in_it(page: Page) -> None:
    open_with(page, {"ship.png": SHIP, "letter.txt": LETTER, "empty.png": b""})
    wait_for_answers(page)
    wait_until_kept(page, 3)
    page.get_by_role("link", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page).to_have_url(re.compile(r"/\?language=de#answers-\w+$"))
    expect(cards(page)).to_have_count(3)
    texts = ("zu > 99,9 % sicher", "kein Bild in einem der Formate", "hat keinen Inhalt")
    for card, text in zip(cards(page).all(), texts, strict=True):
        expect(card).to_contain_text(text)
    expect(cards(page).locator(".filename")).to_have_text(["ship.png", "letter.txt", "empty.png"])
    expect(answers(page).locator("[data-preview] img")).to_be_visible()


def test_without_a_server_the_answers_stay_in_the_language_they_are_in(page: Page) -> None:
    classify(page, {"ship.png": SHIP})
    wait_until_kept(page, 1)
    page.route("**/predict*", lambda route: route.fulfill(status=502, body=""))
    with page.expect_response("**/predict*"):
        page.get_by_role("link", name="Deutsch").click()
    page.reload()
    expect_labels(page, ["ship"])


@pytest.mark.parametrize("version", [None, "2.0"])
def test_pictures_that_wait_are_sent_again_after_a_reload_or_a_choice_of_version(
    page: Page, version: str | None
) -> None:
    files = {f"{number}.png": SKY for number in range(5)} | {"ship.png": SHIP}
    with held_predictions(page):
        open_with(page, files)
        wait_until_kept(page, len(files))
        wait_until(lambda: page.evaluate(COUNT_PICTURES) == len(files))
        if version:
            page.get_by_role("link", name=f"Version {version}").click()
        else:
            page.reload()
        expect(page.locator(".waiting img")).to_have_count(4)
        expect(page.get_by_text(GONE)).to_be_hidden()
    expect_labels(page, ["airplane"] * 5 + ["ship"])
    expect(cards(page).first).to_contain_text("version 1.0")
    assert cards(page).locator(".filename").all_text_contents() == list(files)


def test_pictures_that_wait_elsewhere_are_sent_again_too(page: Page) -> None:
    with held_predictions(page):
        open_with(page, {"ship.png": SHIP})
        wait_until_kept(page, 1)
        wait_until(lambda: page.evaluate(COUNT_PICTURES) == 1)
        page.goto("/api")
        page.goto("/")
    expect(page.locator("#recent .recent-label")).to_have_text(["ship"])


def test_another_tab_does_not_send_them_as_well(page: Page) -> None:
    with held_predictions(page) as held:
        open_with(page, {"ship.png": SHIP})
        wait_until_kept(page, 1)
        tab = page.context.new_page()
        sent = watch_predictions(tab)
        tab.goto(page.url)
        expect(tab.locator(".waiting")).to_have_count(1)
        assert len(held) == 1
    expect_labels(tab, ["ship"])
    assert sent == []


def test_a_reload_keeps_the_answers_that_came_while_another_picture_waits(page: Page) -> None:
    page.goto("/")
    held: list[Route] = []

    def hold_the_second(route: Route) -> None:
        if b"slow.png" in (route.request.post_data_buffer or b""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/predict*", hold_the_second)
    choose(page, {"ship.png": SHIP, "slow.png": SKY})
    expect(page.locator(".recent-answer")).to_have_count(1)
    assert len(held) == 1
    page.reload()
    expect(cards(page).first.locator(".label")).to_have_text("ship")
    page.unroute("**/predict*")
    page.reload()
    expect_labels(page, ["ship", "airplane"])


def test_an_address_of_answers_that_are_not_kept_says_so(page: Page) -> None:
    page.goto("/#answers-nothing")
    expect(page.get_by_text(GONE)).to_be_visible()
    expect(page).to_have_title(TITLE)
    page.get_by_role("link", name="Image classifier").click()
    expect(page.get_by_text(GONE)).to_be_hidden()
    expect(page).to_have_url(re.compile(r"/$"))


def test_the_skip_link_hides_no_answer(page: Page) -> None:
    classify(page, {"ship.png": SHIP})
    address = page.url
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    expect_labels(page, ["ship"])
    expect(page).to_have_title(SHIP_TITLE)
    assert page.url == address
