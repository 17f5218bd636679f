"""The choice among the versions of the model, and all of them side by side."""

import re

from playwright.sync_api import Page, expect

from tests.helpers.browser.start_page import SHIP, SKY, cards, choose, wait_until_kept

CHOICE = "Version of the model"
BOTH = [re.compile(r"version 1\.0"), re.compile(r"version 2\.0")]


def test_a_version_that_is_chosen_answers_and_stays_in_the_address(page: Page) -> None:
    page.goto("/")
    choice = page.get_by_role("navigation", name=CHOICE)
    expect(choice.locator("[aria-current]")).to_have_text("Version 1.0")
    choose(page, {"ship.png": SHIP})
    expect(cards(page)).to_contain_text("Model cifar10, version 1.0")
    wait_until_kept(page, 1)
    choice.get_by_role("link", name="Version 2.0").click()
    # What was answered is still shown.
    expect(cards(page)).to_contain_text("Model cifar10, version 1.0")
    choose(page, {"sky.png": SKY})
    expect(cards(page)).to_contain_text("Model cifar10, version 2.0")
    expect(page).to_have_url(re.compile(r"\?version=2\.0#answers-"))
    wait_until_kept(page, 2)
    page.reload()
    expect(cards(page)).to_contain_text("Model cifar10, version 2.0")
    expect(choice.locator("[aria-current]")).to_have_text("Version 2.0")
    page.get_by_role("link", name="Deutsch").click()
    expect(page).to_have_url(re.compile(r"version=2\.0"))
    expect(cards(page)).to_contain_text("Modell cifar10, Version 2.0")


def test_all_versions_are_shown_side_by_side_in_one_card(page: Page) -> None:
    page.goto("/?version=all")
    choose(page, {"ship.png": SHIP})
    expect(cards(page)).to_have_count(1)
    expect(cards(page).get_by_text("answered in")).to_contain_text(BOTH)
    first, second = cards(page).locator(".label").all()
    left, right = first.bounding_box(), second.bounding_box()
    assert left is not None
    assert right is not None
    assert left["y"] == right["y"]
    assert left["x"] + 150 < right["x"]
