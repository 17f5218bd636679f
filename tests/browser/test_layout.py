"""The page in every window, from 320 pixels to 4K: nothing is cut off, whatever its name."""

from collections.abc import Iterator, Mapping

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looks import find_cut_off
from tests.browser.states import STATES, showing
from tests.browser.web_uis import running_web_uis
from tests.serving import Server

# A window of 1280 px at a zoom of 400 %, phones, a tablet, and screens up to 4K.
SIZES = {320: 256, 390: 844, 768: 1024, 1280: 900, 1920: 1080, 3840: 2160}


@pytest.fixture(scope="module")
def web_uis(server: Server) -> Iterator[Mapping[str, str]]:
    with running_web_uis(server) as addresses:
        yield addresses


@pytest.fixture(scope="module", params=STATES)
def shown(
    request: pytest.FixtureRequest, browser: Browser, web_uis: Mapping[str, str]
) -> Iterator[Page]:
    with showing(request.param, browser, web_uis) as page:
        yield page


@pytest.mark.parametrize("width", SIZES)
def test_nothing_is_cut_off(shown: Page, width: int) -> None:
    shown.set_viewport_size({"width": width, "height": SIZES[width]})
    assert find_cut_off(shown) == []


@pytest.mark.parametrize("name", ["start", "answer-with-everything-open", "error-too-many", "api"])
def test_nothing_is_cut_off_in_german(
    browser: Browser, web_uis: Mapping[str, str], name: str
) -> None:
    """Its words are longer."""
    with showing(name, browser, web_uis, locale="de-DE") as page:
        expect(page.locator("html")).to_have_attribute("lang", "de")
        for width, height in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            assert find_cut_off(page) == []


def test_what_is_cut_off_would_be_found(browser: Browser, web_uis: Mapping[str, str]) -> None:
    with showing("answer", browser, web_uis, viewport={"width": 1280, "height": 900}) as page:
        for selector, style in (
            (".label", "position: relative; left: 900px"),
            (".ranking tbody th", "white-space: nowrap; letter-spacing: 2em"),
            (".button-quiet", "min-height: 0; height: 5px; padding: 0"),
            ("footer", "min-width: 5000px"),
        ):
            page.evaluate(
                "([name, style]) => document.querySelector(name).style = style", [selector, style]
            )
            assert find_cut_off(page) != [], selector
            page.evaluate("(name) => document.querySelector(name).style = ''", selector)
            assert find_cut_off(page) == [], selector
