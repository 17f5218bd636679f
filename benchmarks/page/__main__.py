"""Measure the web page in a real browser: how soon is there an answer, how soon a page?

TorchServe and the web UI are started as `make serve` starts them, on ports of their own, and so is
Chromium. The clock is the browser's own, from the choice of a file to the frame that shows the
answer. Nothing else should run meanwhile.

  python -m benchmarks.page                                    some minutes
  python -m benchmarks.page --runs 5 --output /tmp/trial.md    does it work?
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from playwright.sync_api import Browser, CDPSession, FilePayload, sync_playwright

from benchmarks.common.command import Command, option
from benchmarks.common.pictures import SHIP, large_picture, small_picture
from benchmarks.common.programs import ProgramError
from benchmarks.common.report import Report, table
from benchmarks.common.server import Request, our_server, wait_until_ready
from benchmarks.page.chromium import find_chromium, launch_options

# Most answers to a photo, and most first visits, that are measured.
PHOTO_RUNS, FIRST_VISITS = 10, 9
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
OPTIONS = (option("--runs", "answers to each small file; to other files fewer", 50),)


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


def measure(options: argparse.Namespace) -> Report:
    """Measure all waits and all first visits; raises ``ProgramError`` without Chromium."""
    if find_chromium() is None:
        raise ProgramError("there is no Chromium; see `make chromium`")
    with our_server() as server, sync_playwright() as playwright:
        headers = {"Content-Type": "image/png", "Accept": "application/json"}
        predict = Request(f"{server.web_ui}predict", small_picture(), headers)
        wait_until_ready(predict, server.pid)
        browser = playwright.chromium.launch(**launch_options())
        waits = measure_waits(browser, server.web_ui, options.runs)
        visits = min(options.runs, FIRST_VISITS)
        first_visits = {
            name: measure_first_visit(browser, server.web_ui, visits, slow=slow)
            for name, slow in {"desktop": False, "phone, slow 4G, slow processor": True}.items()
        }
        facts = {"chromium": browser.version}
        browser.close()
    return make_report(waits, first_visits, facts)


def measure_waits(browser: Browser, url: str, runs: int) -> dict[str, Wait]:
    """Return the waits under the names that the table shows."""
    small = as_file("small.png", small_picture())
    middle = as_file("ship.png", SHIP.read_bytes())
    photo = as_file("photo.jpg", large_picture())
    some = min(runs, PHOTO_RUNS)
    plan: dict[str, tuple[FilePayload, int, Way]] = {
        "32×32 PNG": (small, runs, Way()),
        "640×480 PNG": (middle, runs, Way()),
        "12-megapixel JPEG": (photo, some, Way()),
        "12-megapixel JPEG, not scaled": (photo, some, Way(scaled=False)),
        "12-megapixel JPEG, slow 4G": (photo, 1, Way(slow=True)),
        "12-megapixel JPEG, not scaled, slow 4G": (photo, 1, Way(scaled=False, slow=True)),
    }
    waits = {}
    for name, (file, count, way) in plan.items():
        waits[name] = measure_wait(browser, url, file, count, way)
        print(f"{name}: {median(waits[name].painted):,.0f} ms", flush=True)
    return waits


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
    return {name: median(figures[name] for figures in each) for name in each[0]}


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


def as_file(name: str, content: bytes) -> FilePayload:
    """Return a file to be chosen."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def make_report(
    waits: Mapping[str, Wait], visits: Mapping[str, Mapping[str, float]], facts: Mapping[str, str]
) -> Report:
    """Return the report of the waits and of the first visits, by the names that it shows."""
    answers = []
    for name, (there, painted, sent) in waits.items():
        slowest = np.percentile(painted, 95, method="inverted_cdf")
        milliseconds = (f"{time:,.0f} ms" for time in (median(painted), slowest, median(there)))
        answers.append([name, str(len(painted)), *milliseconds, f"{sent:,} bytes"])
    first = [
        [figure, *(_number(visit[figure]) for visit in visits.values())]
        for figure in next(iter(visits.values()))
    ]
    header = ("file", "runs", "median", "95 of 100", "median until it is part of the page", "sent")
    parts = [
        "From the choice of a file to the frame that shows its answer, by the browser's clock:",
        table(header, answers),
        "The first visit, with nothing kept, medians:",
        table(("", *visits), first),
    ]
    waited = {name: wait._asdict() for name, wait in waits.items()}
    return Report("The page", parts, {"waits": waited, "first_visits": visits}, facts, {})


def _number(value: float) -> str:
    return f"{value:.3f}" if 0 < value < 1 else f"{value:,.0f}"


COMMAND = Command("page", __doc__, OPTIONS, measure)

if __name__ == "__main__":
    COMMAND.main()
