"""A real Chromium, the system's own, driven by Playwright."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from model.classifier import Classifier
from tests.browser.chromium import launch_options
from tests.conftest import SHIPPED_ARCHIVE
from tests.serving import Server

TIMEOUT_MILLISECONDS = 20_000
WIDTHS = {"wide": 1280, "narrow": 320}
HEIGHT = 900
expect.set_options(timeout=TIMEOUT_MILLISECONDS)
# Chromium logs each answer that is an error, however well the page shows it.
ANSWERED_WITH_AN_ERROR = "the server responded with a status of"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options())
        yield chromium
        chromium.close()


@contextmanager
def opened_page(
    browser: Browser, address: str, ignored: Collection[str] = (), **options: Any
) -> Iterator[Page]:
    """A page in a context of its own; whatever it logs as an error fails the test.

    Args:
        browser: where it is opened.
        address: what its paths are relative to; nothing is loaded yet.
        ignored: parts of messages that are no failure.
        options: of the context.
    """
    context = browser.new_context(base_url=address, **options)
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    yield context.new_page()
    context.close()
    expected = (ANSWERED_WITH_AN_ERROR, *ignored)
    assert [each for each in problems if not any(part in each for part in expected)] == []


@pytest.fixture(params=list(WIDTHS))
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    """The size of a desktop's window and of a phone's."""
    return {"width": WIDTHS[request.param], "height": HEIGHT}


@pytest.fixture
def page(browser: Browser, server: Server, viewport: ViewportSize) -> Iterator[Page]:
    """A page at desktop and at phone width; anything it logs as an error fails the test."""
    with opened_page(browser, server.web_ui, viewport=viewport) as opened:
        yield opened


@pytest.fixture
def page_without_javascript(
    browser: Browser, server: Server, viewport: ViewportSize
) -> Iterator[Page]:
    with opened_page(
        browser, server.web_ui, viewport=viewport, java_script_enabled=False
    ) as opened:
        yield opened


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """What answers must agree with."""
    return Classifier.load(SHIPPED_ARCHIVE)
