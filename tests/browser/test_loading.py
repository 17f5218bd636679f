"""Loading the page: what it costs, whom it asks, and what people do before its scripts run."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.browser.start_page import SHIP, drop_on, expect_labels
from tests.helpers.browser.states import STATES
from tests.helpers.browser.web_uis import USUAL
from tests.helpers.server import Server

MOST_BYTES = 45_000
SCRIPTS = "**/main.js"


@pytest.fixture
def ship(tmp_path: Path) -> Path:
    """A file on disk: the back button brings back no other one."""
    file = tmp_path / "ship.png"
    file.write_bytes(SHIP)
    return file


@pytest.fixture
def early_page(page: Page) -> Page:
    """The start page while its scripts are on their way, which `page.unroute` ends."""
    page.route(SCRIPTS, lambda _route: None)
    page.goto("/", wait_until="commit")
    expect(page.get_by_role("button", name="Classify")).to_be_visible()
    return page


def expect_ship(page: Page) -> None:
    expect_labels(page, ["ship"])


def test_a_picture_that_was_chosen_is_answered(early_page: Page, ship: Path) -> None:
    page = early_page
    page.locator("#image").set_input_files(ship)
    page.unroute(SCRIPTS)
    expect_ship(page)
    first = page.url
    page.locator("#image").set_input_files(ship)
    expect(page).not_to_have_url(first)
    expect_ship(page)


def test_a_picture_that_was_sent_is_answered_in_place_on_the_way_back(
    early_page: Page, ship: Path
) -> None:
    page = early_page
    page.locator("#image").set_input_files(ship)
    page.get_by_role("button", name="Classify").click(no_wait_after=True)
    page.wait_for_url("**/predict")
    page.unroute(SCRIPTS)
    page.go_back()
    expect_ship(page)
    assert page.locator("#image").evaluate("input => input.files.length") == 0


@pytest.mark.parametrize("place", ["h1", ".picker"])
def test_a_picture_that_was_dropped_is_answered(early_page: Page, ship: Path, place: str) -> None:
    page = early_page
    drop_on(page, place, [ship])
    page.unroute(SCRIPTS)
    expect_ship(page)


@pytest.mark.parametrize("path", ["/", "/api"])
def test_the_first_visit_takes_less_than_45_kb(browser: Browser, server: Server, path: str) -> None:
    """All of it, headers included."""
    context = browser.new_context()
    page = context.new_page()
    sizes: list[float] = []
    network = context.new_cdp_session(page)
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    network.send("Network.enable")
    page.goto(server.web_ui + path, wait_until="networkidle")
    names = page.evaluate("performance.getEntriesByType('resource').map(({name}) => name)")
    context.close()
    assert len(sizes) > len(set(names)) >= 3
    assert 10_000 < sum(sizes) < MOST_BYTES


@pytest.mark.parametrize("name", ["answer-with-everything-open", "recent", "api", "page-404"])
def test_nobody_else_is_asked_for_anything(
    browser: Browser, web_uis: Mapping[str, str], name: str
) -> None:
    own = web_uis[USUAL]
    context = browser.new_context(base_url=own)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    STATES[name].show(context.new_page())
    context.close()
    assert len(asked) >= 3
    assert [url for url in asked if not url.startswith((f"{own}/", f"blob:{own}/", "data:"))] == []
