"""Why this answer: a map over the picture, whose class and opacity people choose."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from model.inference.classifier import Classifier
from tests.helpers.browser.pages import DESKTOP, PHONE
from tests.helpers.browser.start_page import SHIP, cards, choose, wait_until_kept
from tests.helpers.browser.states import DRAWINGS
from tests.helpers.pictures import encode

WHY = "Why this answer?"
FIND_HOTTEST = """(canvas) => {
    const {width, height} = canvas;
    const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
    const green = (index) => data[4 * index + 1];
    const hottest = [...Array(width * height).keys()].reduce(
        (one, other) => (green(other) > green(one) ? other : one));
    return [(hottest % width) / width, Math.floor(hottest / width) / height];
}"""


def explain(page: Page, files: dict[str, bytes]) -> Locator:
    """Choose a picture, ask why, and return the explanation."""
    page.goto("/")
    choose(page, files)
    page.get_by_role("button", name="Why?").click()
    explanation = page.get_by_role("group", name=WHY)
    expect(explanation.get_by_role("slider")).to_be_visible()
    return explanation


def test_the_map_covers_the_picture_and_is_hot_where_the_class_is(
    page: Page, classifier: Classifier
) -> None:
    explanation = explain(page, {"cat.jpg": DRAWINGS["cat.jpg"]})
    image, canvas = (cards(page).locator(f"[data-preview] {each}") for each in ("img", ".heat"))
    assert image.bounding_box() == canvas.bounding_box()
    shape = image.evaluate("({naturalWidth, naturalHeight}) => naturalWidth / naturalHeight")
    assert canvas.evaluate("({width, height}) => width / height") == pytest.approx(shape, rel=0.02)
    expected = classifier.explain(classifier.prepare(DRAWINGS["cat.jpg"]))["heat"]
    for name in ("cat", "ship"):
        explanation.get_by_role("combobox", name="Class").select_option(name)
        expect(explanation.get_by_role("status")).to_contain_text(f"What speaks for “{name}”")
        heat = np.array(expected[name])
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        # In cells, from whose centres the heat falls.
        across, down = (8 * part for part in canvas.evaluate(FIND_HOTTEST))
        assert (across, down) == pytest.approx((column + 0.5, row + 0.5), abs=0.6)


def test_the_map_lies_on_the_models_pixels_where_the_browser_shows_no_picture(page: Page) -> None:
    explain(page, {"ship.tif": encode(Image.open(BytesIO(SHIP)), "TIFF")})
    for width in (DESKTOP["width"], PHONE["width"]):
        page.set_viewport_size({**DESKTOP, "width": width})
        image, canvas = (cards(page).locator(f".seen {each}") for each in ("img", ".heat"))
        assert image.bounding_box() == canvas.bounding_box()


def test_the_slider_fades_the_map_and_hide_takes_it_away(page: Page) -> None:
    explanation = explain(page, {"ship.png": SHIP})
    heat = cards(page).locator(".heat")
    slider = explanation.get_by_role("slider", name="Opacity")
    for value in ("0", "100"):
        slider.fill(value)
        expect(heat).to_have_css("opacity", str(int(value) // 100))
    explanation.get_by_role("button", name="Hide").click()
    expect(heat).to_have_count(0)
    expect(explanation).to_have_count(0)
    expect(page.get_by_role("button", name="Why?")).to_be_focused()


def test_an_answer_that_was_kept_is_explained_after_a_reload(page: Page) -> None:
    explain(page, {"ship.png": SHIP})
    wait_until_kept(page, 1)
    page.reload()
    expect(page.locator(".heat")).to_have_count(0)
    page.get_by_role("button", name="Why?").click()
    expect(page.get_by_role("status").filter(has_text="“ship”")).to_be_visible()


def test_each_version_explains_its_own_answer(page: Page) -> None:
    page.goto("/?version=all")
    choose(page, {"ship.png": SHIP})
    with page.expect_request(re.compile(r"/explain\?version=2\.0")):
        page.get_by_title("Version 2.0: why?").click()
    expect(page.get_by_role("group", name="Version 2.0: why?")).to_contain_text("“ship”")


def test_what_went_wrong_is_said(page: Page) -> None:
    page.goto("/")
    choose(page, {"ship.png": SHIP})
    why = page.get_by_role("button", name="Why?")
    page.route("**/explanation.js", lambda route: route.fulfill(status=503))
    why.click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    page.unroute("**/explanation.js")
    wait_until_kept(page, 1)
    page.reload()
    page.evaluate("indexedDB.deleteDatabase('pictures')")
    why.click()
    expect(page.get_by_role("group", name=WHY)).to_contain_text("no longer in this browser")
