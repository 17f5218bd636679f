"""All the ways of getting pictures into the page."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from model.inference.classifier import Classifier
from tests.helpers.browser.pages import NO_PREVIEW, OFFLINE, opened_page
from tests.helpers.browser.start_page import (
    GRADIENT,
    LETTER,
    PICTURES,
    SHIP,
    SKY,
    answers,
    cards,
    choose,
    drag,
    drop_on,
    expect_labels,
    held_predictions,
    open_with,
    wait_for_answers,
    watch_predictions,
)
from tests.helpers.server import Server

BEYOND_LIMITS = {
    "EmptyFileError": {"empty.png": b""},
    "UploadTooLargeError": {"huge.png": bytes(16 * 1024 * 1024 + 1)},
}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    written = []
    for name in ("ship.png", "gradient.png"):
        written.append(tmp_path / name)
        written[-1].write_bytes(PICTURES[name])
    return written


def choose_from_disk(page: Page, folder: Path, files: dict[str, bytes]) -> None:
    """Choose files that are too large to be sent through the browser's protocol in a moment."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    page.locator("#image").set_input_files([folder / name for name in files])


def test_a_click_opens_the_dialog_for_several_files_again_and_again(
    page: Page, files: list[Path], classifier: Classifier
) -> None:
    page.goto("/")
    page.evaluate("window.sameDocument = true")
    for name in ("Choose pictures, drop them anywhere", "Choose, drop or paste more"):
        expect(page.get_by_text(name)).to_be_visible()
        with page.expect_file_chooser() as opened:
            page.locator("#image").click()
        assert opened.value.is_multiple()
        opened.value.set_files(files)
        wait_for_answers(page, 2)
        expect(page.locator("#answers .label")).to_have_text(
            [classifier.classify(file.read_bytes())["label"] for file in files]
        )
    assert page.evaluate("window.sameDocument")


def test_pictures_can_be_dropped_anywhere(
    page: Page, files: list[Path], classifier: Classifier
) -> None:
    page.goto("/")
    expected = [classifier.classify(file.read_bytes())["label"] for file in files]
    seen: set[str] = set()
    for target in ("h1", ".picker", ".colophon", ".masthead", "#answers .label >> nth=0"):
        drop_on(page, target, files)
        expect(page).not_to_have_url(re.compile("|".join(map(re.escape, seen)) or "^$"))
        expect_labels(page, expected)
        seen.add(page.url)


def test_the_page_says_where_to_drop_for_as_long_as_files_are_above_it(
    page: Page, files: list[Path]
) -> None:
    page.goto("/")
    hint = page.get_by_text("Drop the pictures anywhere")
    names = [str(file) for file in files]
    expect(hint).to_be_hidden()
    for kind, y in (("dragEnter", 100), ("dragOver", 100), ("dragOver", 600)):
        drag(page, kind, 100, y, files=names)
    expect(hint).to_be_visible()
    # Chromium's protocol can't drag files out of the window.
    page.dispatch_event("body", "dragleave")
    expect(hint).to_be_hidden()
    for kind in ("dragEnter", "dragOver", "drop"):
        drag(page, kind, 100, 100, files=names)
    expect(hint).to_be_hidden()
    wait_for_answers(page, 2)


def test_text_that_is_dragged_is_left_alone(page: Page) -> None:
    page.goto("/")
    text = {"mimeType": "text/plain", "data": "words"}
    for kind in ("dragEnter", "dragOver"):
        drag(page, kind, 100, 100, items=[text])
    expect(page.locator("#drop-hint")).to_be_hidden()
    drag(page, "drop", 100, 100, items=[text])
    expect(cards(page)).to_have_count(0)


def test_a_picture_can_be_pasted(page: Page, classifier: Classifier) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/")
    page.evaluate(
        """async (bytes) => {
            const picture = new Blob([new Uint8Array(bytes)], {type: "image/png"});
            await navigator.clipboard.write([new ClipboardItem({"image/png": picture})]);
        }""",
        list(SHIP),
    )
    page.keyboard.press("Control+V")
    expect_labels(page, [classifier.classify(SHIP)["label"]])


def test_text_that_is_pasted_is_left_alone(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/")
    page.evaluate("navigator.clipboard.writeText('words')")
    page.keyboard.press("Control+V")
    choose(page, {"ship.png": SHIP})
    wait_for_answers(page)
    page.go_back()
    expect(cards(page)).to_have_count(0)
    assert page.evaluate("location.hash") == ""


def test_a_preview_is_there_before_the_answer(page: Page) -> None:
    with held_predictions(page) as held:
        open_with(page, {"ship.png": SHIP, "gradient.png": GRADIENT})
        previews = page.locator("#answers .waiting [data-preview] img")
        expect(previews).to_have_count(2)
        for preview, size in zip(previews.all(), ([640, 480], [48, 32]), strict=True):
            expect(preview).to_be_visible()
            natural = "async (image) => {await image.decode(); return [image.naturalWidth, "
            assert preview.evaluate(natural + "image.naturalHeight];}") == size
        expect(cards(page).get_by_role("heading")).to_have_text(["Classifying …"] * 2)
        expect(cards(page).get_by_text("One moment")).to_have_count(2)
        expect(page.locator(".waiting[aria-busy=true]")).to_have_count(2)
        assert cards(page).locator(".filename").all_text_contents() == ["ship.png", "gradient.png"]
        assert len(held) == 2
    wait_for_answers(page, 2)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    kept = answers(page).locator("[data-preview] img")
    assert [image.get_attribute("alt") for image in kept.all()] == [
        "The picture you chose: ship.png",
        "The picture you chose: gradient.png",
    ]


@pytest.mark.parametrize("kind", list(BEYOND_LIMITS))
def test_limits_hold_before_anything_is_sent_in_the_words_of_the_server(
    page: Page, server: Server, tmp_path: Path, kind: str
) -> None:
    files = BEYOND_LIMITS[kind]
    page.goto("/")
    sent = watch_predictions(page)
    choose_from_disk(page, tmp_path, files)
    expect(cards(page)).to_have_count(1)
    expect(cards(page).get_by_text(kind)).to_be_visible()
    answer = server.ask_page(*files.values()).json()
    assert answer["type"] == kind
    expect(cards(page).locator(".message")).to_have_text(answer["message"])
    assert sent == []


def test_what_is_at_the_limit_is_sent(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    choose_from_disk(page, tmp_path, {"large.png": bytes(16 * 1024 * 1024)})
    expect(cards(page).get_by_text("UnsupportedFormatError")).to_be_visible()


def test_more_pictures_than_a_form_takes_are_all_answered(page: Page) -> None:
    page.goto("/")
    choose(page, {f"{number}.png": SKY for number in range(30)})
    wait_for_answers(page, 30)


def test_of_too_many_pictures_the_first_are_taken_and_the_page_says_so(page: Page) -> None:
    page.goto("/")
    choose(page, {f"{number}.png": b"" for number in range(101)})
    expect(cards(page)).to_have_count(100)
    expect(page.get_by_text("These are the first 100 pictures.")).to_be_visible()


def test_the_pictures_of_a_folder_are_taken(page: Page, files: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    (folder / "day 1").mkdir(parents=True)
    for number in (10, 9):
        (folder / "day 1" / f"{number}.png").write_bytes(SKY)
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf")
    page.goto("/")
    drop_on(page, "h1", [folder, files[0]])
    wait_for_answers(page, 3)
    assert cards(page).locator(".filename").all_text_contents() == ["ship.png", "9.png", "10.png"]


def test_of_a_folder_without_pictures_the_page_says_so(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "letter.txt").write_bytes(LETTER)
    page.goto("/")
    sent = watch_predictions(page)
    drop_on(page, "h1", [folder])
    expect(cards(page)).to_contain_text("the folder holds no pictures")
    assert sent == []


def test_a_phone_is_not_told_to_drop_or_paste(browser: Browser, server: Server) -> None:
    with opened_page(browser, server.web_ui, has_touch=True, is_mobile=True) as page:
        open_with(page, {"ship.png": SHIP})
        expect(page.get_by_text("Choose more pictures")).to_be_visible()
        expect(page.get_by_text(re.compile("drop|paste")).filter(visible=True)).to_have_count(0)


def test_a_file_that_vanishes_hides_no_other_one(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path in paths:
        path.write_bytes(SKY)
    page.goto("/")
    with held_predictions(page):
        page.locator("#image").set_input_files(paths)
        expect(cards(page)).to_have_count(6)
        # The first files are on their way already.
        paths[-1].unlink()
    wait_for_answers(page, 5)
    # Chromium may find that the file is empty before it finds that the file is gone.
    expect(cards(page).last).to_contain_text(re.compile("NoFileError|EmptyFileError"))


def test_a_file_that_vanishes_while_the_server_is_away_ends_the_waiting(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(SKY)
    ignored = [OFFLINE, "net::ERR_ALPN_NEGOTIATION_FAILED", NO_PREVIEW]
    with opened_page(browser, server.web_ui, ignored) as page:
        page.goto("/")
        page.context.set_offline(offline=True)
        page.locator("#image").set_input_files(path)
        expect(cards(page).get_by_text("The server cannot be reached")).to_be_visible()
        path.unlink()
        page.context.set_offline(offline=False)
        expect(cards(page)).to_contain_text("NoFileError")
