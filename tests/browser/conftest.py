"""A real Chromium, the system's own, driven by Playwright."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import launch_options
from tests.serving import Server

TIMEOUT_MILLISECONDS = 20_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options())
        yield chromium
        chromium.close()


@pytest.fixture(params=["wide", "narrow"])
def page(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Page]:
    """A page at desktop and at phone width; anything it logs as an error fails the test."""
    width = {"wide": 1280, "narrow": 320}[request.param]
    context = browser.new_context(base_url=server.web_ui, viewport={"width": width, "height": 900})
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error"
            and "the server responded with a status of" not in message.text
            else None
        ),
    )
    yield opened
    context.close()
    assert problems == []


@pytest.fixture
def page_without_javascript(browser: Browser, server: Server) -> Iterator[Page]:
    context = browser.new_context(base_url=server.web_ui, java_script_enabled=False)
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    yield context.new_page()
    context.close()
