"""What the page says and does while there is no answer yet, and when none comes."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from serving.java import find_java_home
from serving.torchserve import run_directory, torchserve
from tests.browser.conftest import OpenWebUI
from tests.helpers.browser.pages import OFFLINE, opened_page
from tests.helpers.browser.start_page import (
    PICTURES,
    SHIP,
    SKY,
    answers,
    cards,
    choose,
    expect_labels,
    held_predictions,
    open_with,
    wait_for_answers,
    wait_until_kept,
)
from tests.helpers.browser.web_uis import running_web_ui
from tests.helpers.pictures import encode
from tests.helpers.server import Server, free_ports, server_environment
from tests.helpers.waiting import wait_until
from webui.settings import Settings

START_MILLISECONDS = 120_000
# A picture of some 300 kB.
PHOTO = encode(Image.effect_noise((640, 480), 90))
GOES_ON = "This page goes on by itself as soon as it can."
OTHERS_ANSWERS = {
    "JSON": (500, '{"code": 500, "type": "InternalServerException", "message": "Oh no"}'),
    "a proxy's page": (502, "<!doctype html><title>502</title><h1>502 Bad Gateway</h1>"),
    "nothing": (200, ""),
}


@contextmanager
def suspended_workers(server: Server) -> Iterator[None]:
    """Let nothing be answered for the length of the block."""
    workers = [psutil.Process(pid) for pid in server.worker_pids()]
    for worker in workers:
        worker.suspend()
    try:
        yield
    finally:
        for worker in workers:
            worker.resume()


def retry(page: Page) -> None:
    page.get_by_role("button", name="Try again").click()
    expect_labels(page, ["ship"])


def test_a_page_opened_before_the_model_is_there_says_so_and_goes_on_by_itself(
    browser: Browser, tmp_path: Path
) -> None:
    ports = free_ports()
    settings = Settings.from_environment(server_environment(tmp_path, ports))
    with running_web_ui(settings) as web_ui, opened_page(browser, web_ui.url) as page:
        page.goto("/")
        banner = page.get_by_role("status")
        expect(banner).to_contain_text("the model server behind it does not answer")
        expect(banner).to_contain_text("You can choose pictures already")
        choose(page, {"ship.png": SHIP, "sky.png": SKY})
        headings = cards(page).get_by_role("heading")
        expect(headings).to_have_text(["The model server does not answer"] * 2)
        expect(cards(page).get_by_text(GOES_ON)).to_have_count(2)
        with run_directory(settings), torchserve(settings, find_java_home()):
            expect(answers(page)).to_have_count(2, timeout=START_MILLISECONDS)
            expect_labels(page, ["ship", "airplane"])
            expect(banner.first).to_be_empty()


def test_the_page_is_ready_when_the_server_is(
    open_web_ui: OpenWebUI, server: Server, tmp_path: Path
) -> None:
    settings = replace(server.settings, torchserve_run_directory=tmp_path)
    page = open_web_ui(settings)
    page.clock.install()
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("does not answer")
    shutil.copy(server.settings.key_file, settings.key_file)
    expect(page.get_by_role("status")).to_have_text("The model is ready.")
    page.clock.fast_forward(5000)
    expect(page.get_by_role("status")).to_be_empty()


def test_when_the_limit_does_not_pass_another_try_is_offered(
    open_web_ui: OpenWebUI, server: Server
) -> None:
    page = open_web_ui(replace(server.settings, rate_limit="1 per hour"))
    page.clock.install()
    page.reload()
    choose(page, {"ship.png": SHIP})
    expect_labels(page, ["ship"])
    choose(page, {"sky.png": SKY})
    button = page.get_by_role("button", name="Try again")
    while not button.is_visible():
        page.clock.fast_forward("01:00:00")
    expect(cards(page).first).to_contain_text("RateLimitError")
    button.click()
    expect(page.locator(".waiting")).to_contain_text("Go on in")


def test_beyond_the_rate_limit_it_says_when_it_goes_on_and_does(
    open_web_ui: OpenWebUI, server: Server
) -> None:
    settings = replace(server.settings, rate_limit="3 per 2 seconds")
    page = open_web_ui(settings)
    choose(page, PICTURES)
    limited = page.locator(".waiting", has_text="Too many pictures in a short time").first
    expect(limited).to_contain_text("Go on in")
    expect(limited).to_contain_text(GOES_ON)
    wait_for_answers(page, len(PICTURES))
    assert cards(page).locator(".filename").all_text_contents() == list(PICTURES)


def test_offline_it_says_so_and_goes_on_by_itself(browser: Browser, server: Server) -> None:
    with opened_page(browser, server.web_ui, [OFFLINE]) as page:
        page.goto("/")
        page.context.set_offline(offline=True)
        choose(page, {"ship.png": SHIP, "sky.png": SKY})
        headings = cards(page).get_by_role("heading")
        expect(headings).to_have_text(["The server cannot be reached"] * 2)
        expect(cards(page).first).to_contain_text(GOES_ON)
        expect(cards(page).locator("img").first).to_be_visible()
        page.context.set_offline(offline=False)
        expect_labels(page, ["ship", "airplane"])


def test_keys_that_are_refused_can_be_put_right(
    open_web_ui: OpenWebUI, server: Server, tmp_path: Path
) -> None:
    keys = {kind: {"key": "wrongkey"} for kind in ("inference", "management", "API")}
    settings = replace(server.settings, torchserve_run_directory=tmp_path)
    settings.key_file.write_text(json.dumps(keys))
    page = open_web_ui(settings)
    choose(page, {"ship.png": SHIP})
    expect(cards(page)).to_contain_text("ModelServerKeyError")
    shutil.copy(server.settings.key_file, settings.key_file)
    retry(page)


@pytest.mark.parametrize("body", list(OTHERS_ANSWERS))
def test_an_answer_that_is_no_card_is_never_shown(page: Page, body: str) -> None:
    status, text = OTHERS_ANSWERS[body]
    page.route("**/predict*", lambda route: route.fulfill(status=status, body=text))
    open_with(page, {"ship.png": SHIP})
    expect(cards(page)).to_contain_text("NoAnswerError")
    shown = page.locator("#answers").inner_text()
    assert "{" not in shown
    assert "Bad Gateway" not in shown
    expect(cards(page).locator("[data-preview] img")).to_be_visible()
    page.unroute("**/predict*")
    retry(page)


def test_a_kept_error_offers_another_try(page: Page) -> None:
    page.route("**/predict*", lambda route: route.fulfill(status=502, body=""))
    open_with(page, {"ship.png": SHIP})
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    wait_until_kept(page, 1)
    page.reload()
    expect(cards(page)).to_contain_text("NoAnswerError")
    page.unroute("**/predict*")
    retry(page)


def test_when_the_model_takes_too_long_it_says_so_and_goes_on_by_itself(
    open_web_ui: OpenWebUI, server: Server
) -> None:
    page = open_web_ui(replace(server.settings, torchserve_timeout_seconds=1))
    with suspended_workers(server):
        choose(page, {"ship.png": SHIP})
        expect(cards(page).get_by_role("heading")).to_have_text("The model took too long")
        expect(cards(page)).to_contain_text(GOES_ON)
    expect_labels(page, ["ship"])


@pytest.fixture
def slow_page(page: Page) -> Page:
    """The start page behind a line that takes some ten seconds for `PHOTO`."""
    page.goto("/")
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 40_000},
    )
    return page


def test_a_slow_upload_shows_how_far_it_is(slow_page: Page) -> None:
    page = slow_page
    choose(page, {"photo.png": PHOTO})
    bar = cards(page).get_by_role("progressbar", name="Sent")
    expect(bar).to_be_visible()
    expect(cards(page).get_by_role("heading")).to_have_text("Sending the picture")
    said = re.compile(r"^photo\.png: Sending the picture\. \d+ % of it has been sent\.$")
    expect(page.get_by_role("log")).to_have_text(said)
    first = float(bar.evaluate("bar => bar.value"))
    assert 0 < first < 1
    wait_until(lambda: bar.evaluate("bar => bar.value") > first)
    wait_for_answers(page)


def test_a_slow_upload_can_be_cancelled(slow_page: Page) -> None:
    page = slow_page
    choose(page, {"photo.png": PHOTO})
    expect(page.get_by_role("progressbar")).to_be_visible()
    with page.expect_event("requestfailed"):
        page.get_by_role("button", name="Cancel").click()
    expect(cards(page)).to_have_count(0)
    expect(page.get_by_role("log")).to_contain_text("photo.png: cancelled")
    expect(page.locator("#main")).to_be_focused()
    page.reload()
    expect(cards(page)).to_have_count(0)


def test_of_several_pictures_one_can_be_cancelled(page: Page) -> None:
    with held_predictions(page):
        open_with(page, {f"{number}.png": SKY for number in range(6)})
        # The one is on its way, the other is not yet.
        for name in ("1.png", "5.png"):
            cards(page).filter(has_text=name).get_by_role("button", name="Cancel").click()
        expect(cards(page)).to_have_count(4)
    expect_labels(page, ["airplane"] * 4)
