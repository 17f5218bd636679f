"""The recent answers, which nobody but the browser keeps."""

import json

from playwright.sync_api import Browser, Page, expect

from tests.helpers.browser.pages import PHONE, opened_page
from tests.helpers.browser.start_page import (
    COUNT_PICTURES,
    LETTER,
    PICTURES,
    SHIP,
    SKY,
    cards,
    choose,
    classify,
    expect_labels,
    open_with,
    wait_for_answers,
    wait_until_kept,
)
from tests.helpers.browser.web_uis import running_web_ui
from tests.helpers.server import Server
from tests.helpers.waiting import wait_until

MOST = 24
BLOCK_STORAGE = """
    Object.defineProperty(window, "localStorage", {
        get() { throw new DOMException("blocked", "SecurityError"); },
    });
"""
# Values that other programs at this address may have left.
FOREIGN = ["{", "5", "{}", '[null, 1, {"id": "a"}, {"id": "answers-a", "cards": ["", 5]}]']


def recent_labels(page: Page) -> list[str]:
    return page.locator("#recent .recent-label").all_text_contents()


def test_answers_are_listed_with_thumbnails_the_newest_first(page: Page) -> None:
    page.goto("/")
    expect(page.locator("#recent")).to_be_hidden()
    choose(page, {"ship.png": SHIP, "letter.txt": LETTER})
    wait_for_answers(page)
    choose(page, {"sky.png": SKY})
    expect(page.locator("#recent li")).to_have_count(2)
    assert recent_labels(page) == ["airplane", "ship"]
    percentages = page.locator("#recent .percentage").all_text_contents()
    assert percentages == ["79.1 %", "> 99.9 %"]
    for thumbnail in page.locator("#recent img").all():
        expect(thumbnail).to_be_visible()
        assert thumbnail.evaluate(
            "async (image) => {await image.decode(); return image.naturalWidth;}"
        )


def test_they_stay_over_reload_and_in_new_tabs(page: Page) -> None:
    classify(page, {"ship.png": SHIP})
    expect(page.locator("#recent li")).to_have_count(1)
    page.goto("/")
    assert recent_labels(page) == ["ship"]
    tab = page.context.new_page()
    tab.goto("/")
    assert recent_labels(tab) == ["ship"]
    choose(tab, {"sky.png": SKY})
    expect(page.locator("#recent li")).to_have_count(2)


def test_one_leads_to_its_picture_among_many(page: Page) -> None:
    page.set_viewport_size(PHONE)
    classify(page, {f"{number}.png": SKY for number in range(6)})
    wait_until_kept(page, 6)
    link = page.get_by_role("link", name="4.png airplane 79.1 %")
    link.click()
    fifth = cards(page).nth(4)
    expect(fifth).to_be_focused()
    expect(fifth.locator(".label")).to_be_in_viewport(ratio=1)
    tab = page.context.new_page()
    tab.set_viewport_size(PHONE)
    tab.goto(page.url)
    expect(cards(tab).nth(4).locator(".label")).to_be_in_viewport(ratio=1)


def test_they_can_be_cleared(page: Page) -> None:
    classify(page, {"ship.png": SHIP})
    wait_until_kept(page, 1)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#recent")).to_be_hidden()
    expect(cards(page)).to_have_count(0)
    expect(page.get_by_role("log")).to_contain_text("The recent answers were cleared.")
    assert page.evaluate("JSON.stringify(localStorage)") == "{}"
    assert page.evaluate("location.hash") == ""
    wait_until(lambda: page.evaluate(COUNT_PICTURES) == 0)
    page.reload()
    expect(page.locator("#recent")).to_be_hidden()


def test_what_was_cleared_can_be_brought_back(page: Page) -> None:
    classify(page, {"ship.png": SHIP, "sky.png": SKY})
    wait_until_kept(page, 2)
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.locator("#recent li")).to_have_count(2)
    expect_labels(page, ["ship", "airplane"])
    expect(page.locator("#recent")).to_be_focused()
    expect(page.get_by_text("The recent answers were cleared.").last).to_be_hidden()
    wait_until(lambda: page.evaluate(COUNT_PICTURES) == 2)
    page.reload()
    expect_labels(page, ["ship", "airplane"])


def test_no_more_are_kept_than_there_is_room_for(page: Page) -> None:
    page.goto("/")
    for batch in range(3):
        choose(page, {f"{batch}-{number}.png": SKY for number in range(10)})
        wait_for_answers(page, 10)
    expect(page.locator("#recent li")).to_have_count(MOST)
    kept = json.loads(page.evaluate("localStorage.answers"))
    assert [len(each["cards"]) for each in kept] == [10, 10, 4]
    wait_until(lambda: page.evaluate(COUNT_PICTURES) == MOST)
    page.goto(f"/#{kept[-1]['id']}")
    page.reload()
    wait_for_answers(page, 4)
    expect(page.get_by_text("The other answers of these pictures are no longer")).to_be_visible()


def test_files_without_an_answer_push_no_answer_out(page: Page) -> None:
    page.goto("/")
    choose(page, {"ship.png": SHIP})
    wait_until_kept(page, 1)
    choose(page, {f"{number}.txt": LETTER for number in range(MOST + 2)})
    expect(page.locator("#answers .problem")).to_have_count(MOST + 2)
    wait_until_kept(page, MOST + 1)
    assert recent_labels(page) == ["ship"]


def test_with_storage_blocked_everything_else_works(page: Page) -> None:
    page.add_init_script(BLOCK_STORAGE)
    classify(page, {"ship.png": SHIP})
    expect(page.locator("#recent")).to_be_hidden()
    page.get_by_role("radio", name="Dark").check(force=True)
    choose(page, {"sky.png": SKY})
    wait_for_answers(page)
    page.go_back()
    expect_labels(page, ["ship"])


def test_with_storage_full_the_oldest_give_way(page: Page) -> None:
    open_with(page, {"ship.png": SHIP})
    expect(page.locator("#recent li")).to_have_count(1)
    # The first answer gives way, and leaves just enough room for the second.
    page.evaluate(
        """() => {
            let length = 4 * 1024 * 1024;
            while (length > 100) {
                try {
                    localStorage.other = (localStorage.other ?? "") + "x".repeat(length);
                } catch {
                    length = Math.floor(length / 2);
                }
            }
        }"""
    )
    choose(page, {"sky.png": SKY})
    expect_labels(page, ["airplane"])
    expect(page.locator("#recent .recent-label")).to_have_text(["airplane"])
    page.evaluate("localStorage.removeItem('other')")
    choose(page, {"ship.png": SHIP})
    expect(page.locator("#recent li")).to_have_count(2)


def test_what_another_program_has_left_under_that_name_stops_nothing(page: Page) -> None:
    page.goto("/")
    for left in FOREIGN:
        page.evaluate("(left) => localStorage.setItem('answers', left)", left)
        page.goto("/predict#answers-a")
        expect(page.locator("#recent")).to_be_hidden()
        choose(page, {"ship.png": SHIP})
        wait_for_answers(page)
        expect(page.locator("#recent li")).to_have_count(1)


def test_nothing_of_them_is_sent_and_no_cookie_is_set(browser: Browser, server: Server) -> None:
    with running_web_ui(server.settings) as web_ui, opened_page(browser, web_ui.url) as page:
        classify(page, {"ship.png": SHIP})
        expect(page.locator("#recent li")).to_have_count(1)
        page.goto("/")
        web_ui.requests.clear()
        page.locator("#recent a").click()
        wait_for_answers(page)
        page.get_by_role("radio", name="Dark").check(force=True)
        page.get_by_role("button", name="Clear").click()
        expect(page.locator("#recent")).to_be_hidden()
        assert [each for each in web_ui.requests if not each.startswith("GET ")] == []
        page.goto("/predict")
        page.goto("/no-such-page")
        classify(page, PICTURES)
        assert page.context.cookies() == []
        assert sorted(web_ui.uploads) == sorted([SHIP, *PICTURES.values()])
