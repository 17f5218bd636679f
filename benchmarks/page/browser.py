"""Measures the page in a browser, by the browser's own clock."""

import statistics
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, CDPSession, FilePayload

# Number of answers on a fast way that warm up and are not counted.
WARM_UP = 3
ANSWER_MILLISECONDS = 180_000
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
# Lighthouse's slow phone: bytes a second, milliseconds, and a processor so many times as slow.
SLOW_4G = {"downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8, "latency": 150}
SLOW_PROCESSOR = 4
# The page sends a photo as it is where the browser can't make it smaller.
WITHOUT_SCALING = "window.createImageBitmap = () => Promise.reject(new Error('none'));"
WATCH_ANSWER = Path(__file__).with_name("watch_answer.js").read_text()
READ_FIRST_VISIT = Path(__file__).with_name("read_first_visit.js").read_text()


class Way(NamedTuple):
    """How a picture gets to the server: made smaller by the page or not, slowly or not."""

    scaled: bool = True
    slow: bool = False


class Wait(NamedTuple):
    """How long a user waits from choosing a file, in milliseconds, and the bytes that were sent.

    Each run gives two times: until the answer is in the page, and until its frame is painted.
    """

    there: list[float]
    painted: list[float]
    sent: int


def measure_wait(browser: Browser, url: str, file: FilePayload, runs: int, way: Way) -> Wait:
    """Choose a file on a fresh page so many times; on a fast way after some more to warm up."""
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    context.set_default_timeout(ANSWER_MILLISECONDS)
    if not way.scaled:
        context.add_init_script(WITHOUT_SCALING)
    page = context.new_page()
    times: list[dict[str, float]] = []
    for _ in range(runs if way.slow else WARM_UP + runs):
        page.goto(url, wait_until="networkidle")
        if way.slow:
            slow_down(context.new_cdp_session(page))
        page.evaluate(WATCH_ANSWER)
        page.locator("input[name=image]").set_input_files([file])
        times.append(page.evaluate("window.measured"))
    context.close()
    there, painted = ([each[name] for each in times[-runs:]] for name in ("there", "painted"))
    return Wait(there, painted, round(times[-1]["sent"]))


def slow_down(session: CDPSession, processor: float = 1) -> None:
    """Make a page's connection slow, and its processor so many times as slow."""
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {"offline": False, **SLOW_4G})
    session.send("Emulation.setCPUThrottlingRate", {"rate": processor})


def measure_first_visit(browser: Browser, url: str, visits: int, *, slow: bool) -> dict[str, float]:
    """Visit a page so many times, each time with nothing kept, and return the medians by name."""
    each = [_visit(browser, url, slow=slow) for _ in range(visits)]
    return {name: statistics.median(figures[name] for figures in each) for name in each[0]}


def _visit(browser: Browser, url: str, *, slow: bool) -> dict[str, float]:
    context = browser.new_context(viewport=PHONE if slow else DESKTOP)  # type: ignore[arg-type]
    page = context.new_page()
    session = context.new_cdp_session(page)
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    session.send("Network.enable")
    if slow:
        slow_down(session, SLOW_PROCESSOR)
    page.goto(url, wait_until="networkidle")
    figures: dict[str, float] = page.evaluate(READ_FIRST_VISIT)
    context.close()
    return {**figures, "bytes, headers included": sum(sizes), "requests": len(sizes)}
