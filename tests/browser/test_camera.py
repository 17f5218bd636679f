"""A photo taken on the spot: in a dialog of the page, or with the phone's own camera program."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from model.inference.classifier import Classifier
from tests.helpers.browser.pages import PHONE, opened_page
from tests.helpers.browser.start_page import (
    SHIP,
    SKY,
    answers,
    cards,
    choose,
    expect_labels,
    wait_for_answers,
)
from tests.helpers.browser.web_uis import running_web_ui
from tests.helpers.server import Server
from tests.helpers.waiting import wait_until

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


@pytest.fixture
def page_with_camera(browser_with_camera: Browser, server: Server) -> Iterator[Page]:
    with opened_page(browser_with_camera, server.web_ui, permissions=["camera"]) as page:
        page.add_init_script(REMEMBER_STREAMS)
        page.goto("/")
        yield page


def expect_live_tracks(page: Page, number: int) -> None:
    """Wait for so many: a dialog is hidden a moment before it says that it was closed."""
    wait_until(lambda: page.evaluate(LIVE_TRACKS) == number)


def open_camera(page: Page) -> None:
    page.get_by_role("button", name="Take a photo").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("button", name="Take it")).to_be_enabled()


def test_a_photo_is_answered(
    browser_with_camera: Browser, server: Server, classifier: Classifier
) -> None:
    with (
        running_web_ui(server.settings) as web_ui,
        opened_page(browser_with_camera, web_ui.url, permissions=["camera"]) as page,
    ):
        page.goto("/")
        open_camera(page)
        page.get_by_role("button", name="Take it").click()
        wait_for_answers(page)
        expect(page.get_by_role("dialog")).to_be_hidden()
        (photo,) = web_ui.uploads
        offline = classifier.classify(photo)
        expect_labels(page, [offline["label"]])
        assert offline["image"]["format"] == "JPEG"
        assert offline["image"]["width"] >= 640
        expect(answers(page).locator(".filename")).to_have_text("camera.jpg")
        expect(answers(page).locator("[data-preview] img")).to_be_visible()


def test_a_photo_is_taken_with_the_keyboard_alone(page_with_camera: Page) -> None:
    page = page_with_camera
    page.locator("#open-camera").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Take a photo")).to_be_visible()
    shutter = page.get_by_role("button", name="Take it")
    expect(shutter).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#open-camera")).to_be_focused()
    page.keyboard.press("Enter")
    expect(shutter).to_be_focused()
    page.keyboard.press("Space")
    wait_for_answers(page)


def test_the_camera_is_off_after_a_photo(page_with_camera: Page) -> None:
    page = page_with_camera
    open_camera(page)
    expect_live_tracks(page, 1)
    page.get_by_role("button", name="Take it").dblclick()
    wait_for_answers(page)
    expect_live_tracks(page, 0)
    page.go_back()
    expect(cards(page)).to_have_count(0)


def test_the_camera_is_off_when_the_dialog_closes(page_with_camera: Page) -> None:
    page = page_with_camera
    open_camera(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect_live_tracks(page, 0)
    expect(page.get_by_role("button", name="Take a photo")).to_be_focused()
    expect(cards(page)).to_have_count(0)
    open_camera(page)
    expect_live_tracks(page, 1)


@pytest.mark.parametrize("is_ready_at_once", [False, True])
def test_the_camera_is_off_when_the_dialog_closes_before_it_is_ready(
    page_with_camera: Page, *, is_ready_at_once: bool
) -> None:
    page = page_with_camera
    if is_ready_at_once:
        # It is ready before the page hears that the dialog was closed.
        page.evaluate(
            """async () => {
                const camera = await navigator.mediaDevices.getUserMedia({ video: true });
                window.streams.length = 0;
                navigator.mediaDevices.getUserMedia = async () => {
                    window.streams.push(camera.clone());
                    return window.streams.at(-1);
                };
            }"""
        )
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


def test_a_camera_that_is_refused_is_said(browser_with_camera: Browser, server: Server) -> None:
    with opened_page(browser_with_camera, server.web_ui) as page:
        page.goto("/")
        page.get_by_role("button", name="Take a photo").click()
        expect(page.get_by_role("alert")).to_contain_text("This page may not use the camera.")
        expect(page.get_by_role("button", name="Take it")).to_be_disabled()
        page.get_by_role("button", name="Cancel").click()
        choose(page, {"ship.png": SHIP})
        wait_for_answers(page)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("NotFoundError", "No camera was found."),
        ("NotReadableError", "The camera cannot be used. Does another program use it?"),
    ],
)
def test_a_camera_that_does_not_work_is_said(page: Page, error: str, message: str) -> None:
    page.add_init_script(
        "MediaDevices.prototype.getUserMedia = async () => {"
        f"throw new DOMException('', '{error}'); }};"
    )
    page.goto("/")
    page.get_by_role("button", name="Take a photo").click()
    expect(page.get_by_role("alert")).to_have_text(message)
    expect(page.get_by_role("button", name="Take it")).to_be_disabled()


def test_a_phone_opens_its_own_camera_program(
    browser: Browser, server: Server, classifier: Classifier
) -> None:
    options: dict[str, Any] = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with opened_page(browser, server.web_ui, **options) as page:
        page.goto("/")
        with page.expect_file_chooser() as opened:
            page.get_by_role("button", name="Take a photo").tap()
        asked = opened.value.element
        assert asked.get_attribute("capture") == "environment"
        assert asked.get_attribute("accept") == "image/*"
        opened.value.set_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": SKY})
        expect_labels(page, [classifier.classify(SKY)["label"]])
