"""Web UIs and pages in a real Chromium, the system's own, driven by Playwright."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page

from model.inference.classifier import Classifier
from tests.helpers.browser.chromium import launch_options
from tests.helpers.browser.pages import opened_page
from tests.helpers.browser.web_uis import running_web_ui, running_web_uis
from tests.helpers.pictures import SHIPPED_ARCHIVE
from tests.helpers.server import Server
from webui.settings import Settings

OpenWebUI = Callable[[Settings], Page]


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page as wide as a desktop's window; anything it logs as an error fails the test."""
    with opened_page(browser, server.web_ui) as opened:
        yield opened


@pytest.fixture
def page_without_javascript(browser: Browser, server: Server) -> Iterator[Page]:
    with opened_page(browser, server.web_ui, java_script_enabled=False) as opened:
        yield opened


@pytest.fixture
def open_web_ui(browser: Browser) -> Iterator[OpenWebUI]:
    """Open the start page of a web UI with settings of its own."""
    with ExitStack() as opened:

        def open_page(settings: Settings) -> Page:
            web_ui = opened.enter_context(running_web_ui(settings))
            page = opened.enter_context(opened_page(browser, web_ui.url))
            page.goto("/")
            return page

        yield open_page


@pytest.fixture(scope="session")
def browser_with_camera(browser: Browser) -> Iterator[Browser]:
    """A Chromium with a camera that sees a moving pattern."""
    options = launch_options()
    options["args"] += ["--use-fake-device-for-media-stream"]
    chromium = browser.browser_type.launch(**options)
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def web_uis(server: Server) -> Iterator[Mapping[str, str]]:
    """The address of a web UI of each kind."""
    with running_web_uis(server) as addresses:
        yield addresses


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """What answers must agree with."""
    return Classifier.load(SHIPPED_ARCHIVE)
