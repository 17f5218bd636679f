"""A photo taken on the spot: in a dialog of the page, or with the phone's own camera program."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserType, Page, ViewportSize, expect

from model.classifier import Classifier
from tests.browser.chromium import launch_options
from tests.browser.conftest import opened_page
from tests.browser.start_page import (
    SHIP,
    SKY,
    answers,
    cards,
    choose,
    labels,
    wait_for_answers,
)
from tests.browser.web_uis import running_web_ui
from tests.serving import Server

SECONDS_TO_SETTLE = 10
LIVE_TRACKS = """() => window.streams.flatMap((stream) => stream.getTracks())
    .filter((track) => track.readyState === "live").length"""
REMEMBER_STREAMS = """
    window.streams = [];
    const original = MediaDevices.prototype.getUserMedia;
    MediaDevices.prototype.getUserMedia = async function (...wanted) {
        const stream = await original.apply(this, wanted);
        window.streams.push(stream);
        return stream;
    };
"""


def launch(chromium: BrowserType, device: str) -> Browser:
    options = launch_options()
    return chromium.launch(**{**options, "args": [*options["args"], device]})


@pytest.fixture(scope="module")
def browser_with_camera(browser: Browser) -> Iterator[Browser]:
    """A Chromium with a camera that sees a moving pattern."""
    launched = launch(browser.browser_type, "--use-fake-device-for-media-stream")
    yield launched
    launched.close()


@pytest.fixture
def page_with_camera(
    browser_with_camera: Browser, server: Server, viewport: ViewportSize
) -> Iterator[Page]:
    with opened_page(
        browser_with_camera, server.web_ui, viewport=viewport, permissions=["camera"]
    ) as page:
        page.add_init_script(REMEMBER_STREAMS)
        page.goto("/")
        yield page


def expect_live_tracks(page: Page, number: int) -> None:
    """Wait for it: a dialog is hidden at once, but tells that it was closed a moment later."""
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while (live := page.evaluate(LIVE_TRACKS)) != number and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert live == number


def open_camera(page: Page) -> None:
    page.get_by_role("button", name="Take a photo").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("button", name="Take it")).to_be_enabled()


def test_a_photo_is_answered(
    browser_with_camera: Browser, server: Server, viewport: ViewportSize, classifier: Classifier
) -> None:
    with (
        running_web_ui(server.settings) as web_ui,
        opened_page(
            browser_with_camera, web_ui.url, viewport=viewport, permissions=["camera"]
        ) as page,
    ):
        page.goto("/")
        open_camera(page)
        shutter = page.get_by_role("button", name="Take it")
        expect(shutter).to_be_focused()
        shutter.press("Enter")
        wait_for_answers(page)
        expect(page.get_by_role("dialog")).to_be_hidden()
        (photo,) = web_ui.uploads
        offline = classifier.classify(photo)
        assert labels(page) == [offline["label"]]
        assert offline["image"]["format"] == "JPEG"
        assert offline["image"]["width"] >= 640
        expect(answers(page).locator(".filename")).to_have_text("camera.jpg")
        expect(answers(page).locator("[data-preview] img")).to_be_visible()


def test_the_camera_is_off_after_a_photo(page_with_camera: Page) -> None:
    page = page_with_camera
    open_camera(page)
    expect_live_tracks(page, 1)
    page.get_by_role("button", name="Take it").dblclick()
    wait_for_answers(page)
    expect_live_tracks(page, 0)
    page.go_back()
    expect(cards(page)).to_have_count(0)


@pytest.mark.parametrize("way", ["Escape", "Cancel"])
def test_the_camera_is_off_when_the_dialog_closes(page_with_camera: Page, way: str) -> None:
    page = page_with_camera
    open_camera(page)
    if way == "Escape":
        page.keyboard.press(way)
    else:
        page.get_by_role("button", name=way).click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect_live_tracks(page, 0)
    expect(page.get_by_role("button", name="Take a photo")).to_be_focused()
    expect(cards(page)).to_have_count(0)
    open_camera(page)
    expect_live_tracks(page, 1)


def test_the_camera_is_off_when_the_dialog_closes_before_it_is_ready(
    page_with_camera: Page,
) -> None:
    page = page_with_camera
    page.evaluate(
        """() => {
            const [open, close] = ["#open-camera", "#close-camera"].map(
                (selector) => document.querySelector(selector),
            );
            open.click(); close.click(); open.click(); close.click(); open.click();
        }"""
    )
    expect(page.get_by_role("button", name="Take it")).to_be_enabled()
    expect(page.get_by_role("alert")).to_be_empty()
    expect_live_tracks(page, 1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect_live_tracks(page, 0)


def test_a_camera_that_is_refused_is_said(
    browser_with_camera: Browser, server: Server, viewport: ViewportSize
) -> None:
    with opened_page(browser_with_camera, server.web_ui, viewport=viewport) as page:
        page.goto("/")
        page.get_by_role("button", name="Take a photo").click()
        expect(page.get_by_role("alert")).to_contain_text("This page may not use the camera.")
        expect(page.get_by_role("button", name="Take it")).to_be_disabled()
        page.get_by_role("button", name="Cancel").click()
        choose(page, {"ship.png": SHIP})
        wait_for_answers(page)


def test_a_missing_camera_is_said(browser: Browser, server: Server, viewport: ViewportSize) -> None:
    none = "--use-fake-device-for-media-stream=device-count=0"
    launched = launch(browser.browser_type, none)
    with opened_page(launched, server.web_ui, viewport=viewport, permissions=["camera"]) as page:
        page.goto("/")
        page.get_by_role("button", name="Take a photo").click()
        expect(page.get_by_role("alert")).to_have_text("No camera was found.")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
    launched.close()


def test_a_phone_opens_its_own_camera_program(
    browser: Browser, server: Server, classifier: Classifier
) -> None:
    viewport = {"width": 390, "height": 844}
    with opened_page(
        browser, server.web_ui, viewport=viewport, has_touch=True, is_mobile=True
    ) as page:
        page.goto("/")
        with page.expect_file_chooser() as opened:
            page.get_by_role("button", name="Take a photo").tap()
        asked = opened.value.element
        assert asked.get_attribute("capture") == "environment"
        assert asked.get_attribute("accept") == "image/*"
        opened.value.set_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": SKY})
        wait_for_answers(page)
        assert labels(page) == [classifier.classify(SKY)["label"]]
