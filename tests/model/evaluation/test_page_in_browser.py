"""The page of an evaluation as a person meets it: opened from disk in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from model.evaluation.page import write_page
from tests.helpers.browser.looks import contrast, read_colours
from tests.helpers.browser.pages import opened_page
from tests.helpers.evaluations import make_evaluation

HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)> & "quotes" % # ='
NAMES = ["cat", "dog", HOSTILE, "without images"]
ANSWERS = [
    *((0, 0, 0.5 + index / 1000) for index in range(70)),
    *((0, 1, 0.2 + index / 1000) for index in range(130)),
    *((1, 0, confidence) for confidence in (0.4, 0.99999, 0.7)),
    *((2, 1, confidence) for confidence in (0.6, 0.8)),
    (1, 3, 0.3),
    *((1, 1, 0.9) for _ in range(5)),
]
FILES = [
    f"test/{NAMES[true].split()[0]}/{index:04}.png" for index, (true, *_) in enumerate(ANSWERS)
]


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page, opened; an error that it logs, a dialog or a request fails the test."""
    file = tmp_path / "confusion_matrix.html"
    write_page(file, make_evaluation(NAMES, ANSWERS, FILES))
    unexpected: list[str] = []

    def record(request: Request) -> None:
        if not request.url.startswith("data:") and request.url.split("#")[0] != file.as_uri():
            unexpected.append(request.url)

    with opened_page(browser, file.as_uri()) as opened:
        opened.on("dialog", lambda dialog: unexpected.append(dialog.message))
        opened.on("request", record)
        opened.goto(file.as_uri())
        yield opened
    assert unexpected == []


def cell(page: Page, true: int, predicted: int) -> Locator:
    return page.locator(f"table.matrix [data-true='{true}'][data-predicted='{predicted}']")


def files_of(true: int, predicted: int) -> list[str]:
    """Return the names behind a cell, most confident first, worked out anew."""
    found = [
        (-confidence, file)
        for (truth, answer, confidence), file in zip(ANSWERS, FILES, strict=True)
        if (truth, answer) == (true, predicted)
    ]
    return [file for _, file in sorted(found)]


def shown_files(page: Page) -> list[str]:
    return page.locator("#list .file").all_text_contents()


def overflow(page: Page) -> int:
    return int(
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


def test_a_click_on_a_cell_shows_exactly_its_pictures_the_most_confident_first(page: Page) -> None:
    cell(page, 1, 0).click()
    assert shown_files(page) == files_of(1, 0)
    assert page.locator("#list .confidence").all_text_contents() == ["> 99.9 %", "70.0 %", "40.0 %"]
    assert page.locator("#list .pair").all_text_contents() == ["dog → cat"] * 3
    expect(page.get_by_role("status")).to_contain_text("3 pictures of dog predicted as cat")
    expect(page.locator("#pictures")).to_be_in_viewport()
    assert cell(page, 1, 0).get_attribute("aria-current") == "true"
    assert page.title().startswith("dog → cat")


def test_every_picture_is_drawn_enlarged_without_blur(page: Page) -> None:
    cell(page, 2, 1).click()
    for index, picture in enumerate(page.locator("#list img").all()):
        drawn = picture.evaluate(
            """async (image) => {
                await image.decode();
                const canvas = new OffscreenCanvas(1, 1).getContext("2d");
                canvas.drawImage(image, 16, 16, 1, 1, 0, 0, 1, 1);
                const {width} = image.getBoundingClientRect();
                const {imageRendering} = getComputedStyle(image);
                const colour = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
                return {size: image.naturalWidth, width, imageRendering, colour};
            }"""
        )
        number = FILES.index(files_of(2, 1)[index])
        assert drawn["size"] == 32
        assert drawn["width"] == 96
        assert drawn["imageRendering"] == "pixelated"
        expected = [number * factor % 256 for factor in (7, 31, 101)]
        assert drawn["colour"] == pytest.approx(expected, abs=6)


def test_a_full_cell_says_how_many_of_its_pictures_are_shown(page: Page) -> None:
    cell(page, 0, 1).click()
    assert shown_files(page) == files_of(0, 1)[:100]
    expect(page.get_by_role("status")).to_contain_text("showing 100 of 130")


def test_the_matrix_is_a_table_with_headers_and_counts(page: Page) -> None:
    table = page.locator("table.matrix")
    assert table.locator("tbody th[scope=row]").all_text_contents() == NAMES
    assert [text.strip() for text in table.locator("th.column").all_text_contents()] == NAMES
    counts = [int(text) for text in table.get_by_role("button").all_text_contents()]
    assert counts == [len(files_of(true, predicted)) for true in range(4) for predicted in range(4)]


def test_a_cell_without_pictures_and_a_class_without_images_say_so(page: Page) -> None:
    cell(page, 3, 3).click()
    assert shown_files(page) == []
    expect(page.get_by_role("status")).to_have_text(
        "No picture of without images predicted as without images."
    )


def test_it_works_with_the_keyboard_alone(page: Page) -> None:
    cell(page, 0, 0).focus()
    page.keyboard.press("Tab")
    expect(cell(page, 0, 1)).to_be_focused()
    page.keyboard.press("Enter")
    assert shown_files(page) == files_of(0, 1)[:100]
    expect(cell(page, 0, 1)).to_be_focused()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    expect(cell(page, 1, 0)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(cell(page, 1, 0)).to_be_focused()
    page.keyboard.press("Space")
    assert shown_files(page) == files_of(1, 0)


def test_tab_reaches_the_matrix_which_can_be_skipped(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip the matrix")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#pictures")).to_be_focused()


def test_the_address_names_the_cell_and_the_back_button_works(page: Page) -> None:
    start = page.url
    cell(page, 0, 1).click()
    assert page.url == f"{start}#true=cat&predicted=dog"
    cell(page, 2, 1).click()
    linked = page.url
    page.go_back()
    expect(page.locator("#pictures-heading")).to_have_text("cat → dog")
    assert shown_files(page) == files_of(0, 1)[:100]
    page.go_back()
    expect(page.locator("#pictures-heading")).to_have_text("Pictures")
    assert shown_files(page) == []
    page.goto("about:blank")
    page.goto(linked)
    assert shown_files(page) == files_of(2, 1)
    expect(page.locator("#pictures")).to_be_in_viewport()


@pytest.mark.parametrize("address", ["#true=cat", "#true=cat&predicted=nothing", "#%", "#<b>"])
def test_an_address_of_no_cell_shows_nothing(page: Page, address: str) -> None:
    page.goto(page.url + address)
    expect(page.locator("#pictures-heading")).to_have_text("Pictures")


def test_close_leads_back_to_the_number_it_was_opened_from(page: Page) -> None:
    opener = page.locator("#confusions button").first
    opener.click()
    assert shown_files(page) == files_of(0, 1)[:100]
    page.get_by_role("link", name="Close").click()
    assert shown_files(page) == []
    expect(opener).to_be_focused()
    expect(opener).to_be_in_viewport()


def test_confusions_are_listed_most_frequent_first_and_open_their_pictures(page: Page) -> None:
    pairs = [text.strip() for text in page.locator("#confusions .pair").all_text_contents()]
    assert pairs == ["cat → dog", "dog → cat", f"{HOSTILE} → dog", "dog → without images"]
    page.locator("#confusions button").nth(2).click()
    assert shown_files(page) == files_of(2, 1)


def test_the_classes_have_their_scores(page: Page) -> None:
    row = page.locator("table.classes tbody tr").nth(1).locator("th, td")
    assert [text.strip() for text in row.all_text_contents()][:6] == [
        *("dog", "9", "5", "3.6 %", "55.6 %", "6.8 %")
    ]
    row = page.locator("table.classes tbody tr").nth(3).locator("th, td")
    assert [text.strip() for text in row.all_text_contents()][:6] == [
        *("without images", "0", "0", "–", "–", "–")
    ]


def test_the_page_fits_the_window(page: Page) -> None:
    cell(page, 2, 1).click()
    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) <= 0
    page.get_by_role("link", name="Close").click()
    assert overflow(page) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_can_be_read_on_every_shade(page: Page, scheme: str) -> None:
    """WCAG asks for a contrast of 4.5."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for name in (
        f"cell {kind} shade-{shade}" for kind in ("correct", "wrong") for shade in range(11)
    ):
        page.locator(".cell").first.evaluate("(cell, name) => { cell.className = name; }", name)
        colours = read_colours(page, (".cell", "color"), (".cell", "backgroundColor"))
        assert contrast(*colours) >= 4.5, name


def test_many_classes_have_lists_that_open_the_same_pictures(
    browser: Browser, tmp_path: Path
) -> None:
    answers = [(index % 50, (index * 7 + 1) % 50, 0.5) for index in range(200)]
    file = tmp_path / "page.html"
    write_page(file, make_evaluation([f"class {index}" for index in range(50)], answers))
    page = browser.new_page(viewport={"width": 320, "height": 800})
    page.goto(file.as_uri())
    assert page.locator("table.matrix").count() == 0
    page.locator("#confusions button").first.click()
    assert shown_files(page) == [f"test/{index:04}.png" for index in (0, 50, 100, 150)]
    page.locator("table.classes tr").nth(3).locator(".answers button").first.click()
    assert shown_files(page) == [f"test/{index:04}.png" for index in (2, 52, 102, 152)]
    page.goto(file.as_uri() + "#true=class+0&predicted=class+9")
    expect(page.get_by_role("status")).to_contain_text("This page has no pictures of class 0")
    assert overflow(page) <= 0
    page.close()


def test_the_numbers_are_there_without_javascript(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_page(file, make_evaluation(NAMES, ANSWERS, FILES))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    expect(cell(page, 0, 1)).to_have_text("130")
    expect(page.get_by_text("The pictures need JavaScript")).to_be_visible()
    context.close()
