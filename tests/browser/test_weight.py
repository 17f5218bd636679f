"""What the page costs: how much goes over the wire, and to whom."""

from collections.abc import Iterator, Mapping

import pytest
from playwright.sync_api import Browser

from tests.browser.states import STATES
from tests.browser.web_uis import USUAL, running_web_uis
from tests.serving import Server

MOST_BYTES = 60_000


@pytest.fixture(scope="module")
def web_uis(server: Server) -> Iterator[Mapping[str, str]]:
    with running_web_uis(server) as addresses:
        yield addresses


@pytest.mark.parametrize("path", ["/", "/api"])
def test_the_first_visit_takes_less_than_60_kb(browser: Browser, server: Server, path: str) -> None:
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
