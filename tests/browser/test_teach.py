"""Own classes, from an empty page to a model that is chosen on the start page; all is real."""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from model import PROJECT
from tests.helpers.browser.pages import opened_page
from tests.helpers.browser.start_page import cards, choose, drop_on
from tests.helpers.lessons import CLASSES, draw
from tests.helpers.server import Server, running_server

TRAINING_MILLISECONDS = 150_000


@pytest.fixture(scope="module")
def teaching_server() -> Iterator[Server]:
    """A server that teaches, with a model store of its own and PyTorch."""
    # Sockets lie in there, whose paths must be short.
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        shutil.copytree(PROJECT / "model_store", directory / "store")
        settings = {
            "MODEL_STORE": str(directory / "store"),
            "TEACH_DIRECTORY": str(directory / "teach"),
            "WEBUI_TEACH": "1",
        }
        with running_server(directory, Path(sys.executable), **settings) as running:
            yield running


@pytest.fixture
def page(browser_with_camera: Browser, teaching_server: Server) -> Iterator[Page]:
    with opened_page(browser_with_camera, teaching_server.web_ui, permissions=["camera"]) as opened:
        yield opened


def payload(name: str, content: bytes) -> FilePayload:
    return FilePayload(name=name, mimeType="image/png", buffer=content)


def add_class(page: Page, name: str) -> Locator:
    page.get_by_label("Name of a new class").fill(name)
    page.get_by_role("button", name="Add the class").click()
    region = page.get_by_role("region", name=name, exact=True)
    # The page is another one then.
    expect(region).to_be_visible()
    return region


def test_own_classes_are_taught_tried_kept_and_chosen(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    page.get_by_role("link", name="Teach your own classes").click()
    diagonal, horizontal, vertical = (add_class(page, name) for name in CLASSES)
    # Chosen, dropped as a folder, and photographed.
    diagonal.locator("input[type=file]").set_input_files(
        [payload(f"{seed}.png", draw("diagonal", seed)) for seed in range(6)]
        + [payload("letter.png", b"Dear Sir or Madam")]
    )
    expect(diagonal.get_by_text("6 pictures", exact=True)).to_be_visible()
    expect(page.locator("#refusals")).to_contain_text("letter.png was left out. This is text.")
    folder = tmp_path / "horizontal"
    folder.mkdir()
    for seed in range(6):
        (folder / f"{seed}.png").write_bytes(draw("horizontal", seed))
    drop_on(page, "#class-2 .picker", [folder])
    expect(horizontal.get_by_text("6 pictures", exact=True)).to_be_visible()
    expect(page.get_by_text("It takes two classes with 5 pictures each")).to_be_visible()
    vertical.get_by_role("button", name="Take photos").click()
    for count in range(1, 7):
        page.get_by_role("button", name="Take it").click()
        expect(page.get_by_text(f"Photos taken: {count}")).to_be_visible()
    page.get_by_role("button", name="Done").click()
    expect(vertical.get_by_role("button", name="Take photos")).to_be_focused()
    expect(vertical.get_by_text("6 pictures", exact=True)).to_be_visible()

    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(" over the pictures, about ")).to_be_visible()
    expect(page.locator("#training")).to_contain_text(
        re.compile("It named [0-4] of 4 pictures rightly"), timeout=TRAINING_MILLISECONDS
    )
    page.locator("#try input[type=file]").set_input_files(
        payload("new.png", draw("horizontal", 50))
    )
    expect(page.locator("#tried .label")).to_have_text("horizontal")
    page.get_by_role("button", name="Take a photo").click()
    page.get_by_role("button", name="Take it").click()
    expect(page.locator("#tried .label")).to_have_text("vertical")
    expect(page.locator("#tried")).to_be_focused()

    page.get_by_label("Name of the model").fill("lines")
    page.get_by_role("button", name="Keep it").click(no_wait_after=True)
    page.get_by_role("link", name="Classify pictures with it").click(timeout=60_000)
    expect(
        page.get_by_text("It knows 3 things: diagonal, horizontal, and vertical.")
    ).to_be_visible()
    choose(page, {"new.png": draw("diagonal", 51)})
    expect(cards(page)).to_contain_text("Model lines, version 1.0")
    expect(cards(page).locator(".label")).to_have_text("diagonal")
    models = page.get_by_role("navigation", name="Model", exact=True)
    models.get_by_role("link", name="cifar10").click()
    expect(page.get_by_text("It knows 10 things")).to_be_visible()
    expect(models.locator("[aria-current]")).to_have_text("cifar10")


def test_pictures_are_sent_and_removed_without_scripts(
    browser: Browser, teaching_server: Server
) -> None:
    with opened_page(browser, teaching_server.web_ui, java_script_enabled=False) as page:
        page.goto("/teach")
        card = add_class(page, "plain")
        card.locator("input[type=file]").set_input_files(
            [payload("0.png", draw("diagonal", 0)), payload("1.png", draw("diagonal", 1))]
        )
        card.get_by_role("button", name="Send").click()
        card.get_by_role("button", name="Remove picture 2 of plain").click()
        expect(card.get_by_text("1 picture", exact=True)).to_be_visible()
        card.get_by_text("Remove this class").click()
        card.get_by_role("button", name="Remove it and its picture").click()
        expect(card).to_have_count(0)


def test_pictures_that_were_chosen_before_the_scripts_run_are_sent(page: Page) -> None:
    scripts = "**/main.js"
    page.goto("/teach")
    card = add_class(page, "early")
    page.route(scripts, lambda _route: None)
    page.reload(wait_until="commit")
    card.locator("input[type=file]").set_input_files(payload("0.png", draw("diagonal", 0)))
    page.unroute(scripts)
    expect(card.get_by_text("1 picture", exact=True)).to_be_visible()
