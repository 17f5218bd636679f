"""Corrections: what pictures really show, kept in the browser, and downloaded to train with."""

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from model.data.folders import load_folders
from tests.helpers.browser.pages import opened_page
from tests.helpers.browser.start_page import (
    FOREST,
    GRADIENT,
    PICTURES,
    RED,
    SAND,
    SHIP,
    SKY,
    cards,
    choose,
    classify,
    wait_for_answers,
    wait_until_kept,
)
from tests.helpers.browser.web_uis import running_web_ui
from tests.helpers.pictures import encode
from tests.helpers.server import Server

DOWNLOAD = "as ZIP"
LARGEST_SIDE = 1024


def correct(page: Page, index: int, label: str) -> Locator:
    """Say what the picture of a card shows, and return the field."""
    field = cards(page).nth(index).get_by_label("Wrong? It is")
    field.select_option(label)
    return field


def expect_corrections(page: Page, count: int) -> None:
    expect(page.get_by_role("button", name=f"Download {count} {DOWNLOAD}")).to_be_visible()


def download(page: Page, directory: Path) -> dict[str, bytes]:
    """Unpack the archive into `directory`, and return its files by their paths."""
    with page.expect_download() as started:
        page.get_by_role("button", name=DOWNLOAD).click()
    assert started.value.suggested_filename == "corrected-pictures.zip"
    with ZipFile(started.value.path()) as archive:
        assert archive.testzip() is None
        archive.extractall(directory)
        return {name: archive.read(name) for name in archive.namelist()}


def test_corrected_pictures_are_a_tree_to_train_with(page: Page, tmp_path: Path) -> None:
    """Names that are equal, climb out, begin with a point or are in any script are all safe."""
    hostile = [
        "../../x.png",
        ".hidden.png",
        'a"b:c*.png',
        "猫 né 🐈.png",
        "=1.png",
        "x" * 200 + ".png",
    ]
    page.goto("/")
    for content, label in ((SKY, "bird"), (RED, "dog"), (FOREST, "frog")):
        page.evaluate(
            """([content, names]) => {
                const bytes = Uint8Array.from(content);
                const transfer = new DataTransfer();
                for (const name of names) transfer.items.add(new File([bytes], name));
                const input = document.querySelector("#image");
                input.files = transfer.files;
                input.dispatchEvent(new Event("change"));
            }""",
            [list(content), hostile],
        )
        wait_for_answers(page, len(hostile))
        for index in range(len(hostile)):
            correct(page, index, label)
    expect_corrections(page, 18)
    files = download(page, tmp_path)
    assert len(files) == 18
    assert sum("猫 né 🐈.png" in name for name in files) == 3
    assert {name.split("/")[0] for name in files} == {"bird", "dog", "frog"}
    assert all(name.count("/") == 1 and len(name.encode()) < 255 for name in files)
    splits = load_folders(tmp_path, 32)
    assert splits["train"].class_names == ("bird", "dog", "frog")
    assert len(splits["train"]) + len(splits["test"]) == 18
    assert {content for name, content in files.items() if name.startswith("dog/")} == {RED}


def test_corrections_survive_a_reload_and_can_be_undone(page: Page) -> None:
    classify(page, {"ship.png": SHIP, "sky.png": SKY})
    wait_until_kept(page, 2)
    correct(page, 0, "truck")
    correct(page, 1, "frog")
    log = page.get_by_role("log")
    expect(log).to_contain_text("sky.png: kept as frog")
    expect_corrections(page, 2)
    page.reload()
    expect_corrections(page, 2)
    field = cards(page).nth(1).get_by_label("Wrong? It is")
    expect(field).to_have_value("frog")
    cards(page).nth(1).get_by_role("button", name="Undo").press("Enter")
    expect(field).to_have_value("")
    expect(field).to_be_focused()
    expect(log).to_contain_text("sky.png: no longer corrected")
    expect_corrections(page, 1)
    correct(page, 0, "")
    expect(page.locator("#corrections")).to_be_hidden()
    page.reload()
    expect(page.locator(".correction").first).to_be_visible()
    expect(page.locator("#corrections")).to_be_hidden()


def test_they_outlast_the_recent_answers_until_they_are_discarded(
    page: Page, tmp_path: Path
) -> None:
    classify(page, {"ship.png": SHIP})
    wait_until_kept(page, 1)
    correct(page, 0, "truck")
    expect_corrections(page, 1)
    page.get_by_role("button", name="Clear").click()
    page.goto("/")
    expect_corrections(page, 1)
    page.get_by_role("button", name="Discard").press("Enter")
    expect(page.locator("#corrections")).to_be_hidden()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    undo.click()
    expect(page.locator("#corrections")).to_be_focused()
    (name,) = download(page, tmp_path)
    assert name.startswith("truck/")
    assert name.endswith("-ship.png")
    page.get_by_role("button", name="Discard").click()
    page.reload()
    page.wait_for_load_state("networkidle")
    expect(page.locator("#corrections")).to_be_hidden()


def test_a_large_picture_is_the_chosen_file_and_a_smaller_one_after_a_reload(
    page: Page, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), np.uint8)
    large = encode(Image.fromarray(noise))
    classify(page, {"large.png": large})
    wait_until_kept(page, 1)
    correct(page, 0, "frog")
    expect_corrections(page, 1)
    ((name, content),) = download(page, tmp_path / "before").items()
    assert name.endswith("-large.png")
    assert content == large
    page.reload()
    expect_corrections(page, 1)
    ((name, content),) = download(page, tmp_path / "after").items()
    assert name.endswith("-large.jpg")
    with Image.open(BytesIO(content)) as image:
        assert image.format == "JPEG"
        assert max(image.size) == LARGEST_SIDE


@pytest.mark.parametrize("name", ["localStorage", "indexedDB"])
def test_with_storage_blocked_they_last_as_long_as_the_page(
    page: Page, tmp_path: Path, name: str
) -> None:
    page.add_init_script(
        f"""Object.defineProperty(window, "{name}", {{
            get() {{ throw new DOMException("blocked", "SecurityError"); }},
        }});"""
    )
    classify(page, {"ship.png": SHIP})
    correct(page, 0, "truck")
    expect_corrections(page, 1)
    assert list(download(page, tmp_path).values()) == [SHIP]


def test_nothing_of_them_is_sent(browser: Browser, server: Server) -> None:
    with running_web_ui(server.settings) as web_ui, opened_page(browser, web_ui.url) as page:
        classify(page, {"gradient.png": GRADIENT, "sand.png": SAND})
        correct(page, 0, "frog")
        expect_corrections(page, 1)
        with page.expect_download():
            page.get_by_role("button", name=DOWNLOAD).click()
        choose(page, {"sky.png": PICTURES["sky.png"]})
        wait_for_answers(page)
        assert len(web_ui.uploads) == 3
        assert len([each for each in web_ui.requests if not each.startswith("GET ")]) == 3
