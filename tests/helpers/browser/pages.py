"""Pages in a browser's context of their own, which notice every error that is logged."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, expect

TIMEOUT_MILLISECONDS = 20_000
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 320, "height": 640}
# Parts of what Chromium logs: about each answer that is an error, however well the page shows it,
# while there is no connection, and when it cannot show a picture.
ANSWERED_WITH_AN_ERROR = "the server responded with a status of"
OFFLINE = "net::ERR_INTERNET_DISCONNECTED"
NO_PREVIEW = "net::ERR_FILE_NOT_FOUND"
expect.set_options(timeout=TIMEOUT_MILLISECONDS)


@contextmanager
def opened_page(
    browser: Browser, address: str, ignored: Collection[str] = (), **options: Any
) -> Iterator[Page]:
    """Open a page in a context of its own; an error that it logs fails the test.

    Args:
        browser: The browser that opens it.
        address: The address that its paths are relative to; nothing is loaded yet.
        ignored: Parts of messages that are not failures.
        options: Options of the context.
    """
    context = browser.new_context(base_url=address, **{"viewport": DESKTOP, **options})
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
