"""Measure the web page in a real browser: how soon is there an answer, how soon a page?

TorchServe and the web UI are started as `make serve` starts them, on ports of their own, and so is
Chromium. The clock is the browser's own, from the choice of a file to the frame that shows the
answer. Nothing else should run meanwhile.
"""

import argparse
from collections.abc import Mapping, Sequence
from statistics import median

from playwright.sync_api import Browser, FilePayload, sync_playwright

from benchmarks.common.command import Command, add_number
from benchmarks.common.pictures import SHIP, large_picture, small_picture
from benchmarks.common.programs import ProgramError
from benchmarks.common.report import Report, table
from benchmarks.common.server import Request, our_server, wait_until_ready
from benchmarks.page.browser import Wait, Way, measure_first_visit, measure_wait
from benchmarks.page.chromium import find_chromium, launch_options

# Most answers to a photo, and most first visits, that are measured.
PHOTO_RUNS, FIRST_VISITS = 10, 9
EXAMPLES = """\
  python -m benchmarks.page                                    some minutes
  python -m benchmarks.page --runs 5 --output /tmp/trial.md    does it work?
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_number(parser, "--runs", 50, "answers to each small file; to other files fewer")


def measure(options: argparse.Namespace) -> Report:
    """Measure all waits and all first visits; raises ``ProgramError`` without Chromium."""
    if find_chromium() is None:
        raise ProgramError("there is no Chromium; see `make chromium`")
    with our_server(with_web_ui=True) as server, sync_playwright() as playwright:
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


def as_file(name: str, content: bytes) -> FilePayload:
    """Return a file to be chosen."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def make_report(
    waits: Mapping[str, Wait], visits: Mapping[str, Mapping[str, float]], facts: Mapping[str, str]
) -> Report:
    """Return the report of the waits and of the first visits, by the names that it shows."""
    answers = []
    for name, (there, painted, sent) in waits.items():
        times = (median(painted), percentile(painted, 95), median(there))
        milliseconds = (f"{time:,.0f} ms" for time in times)
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


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent of ``values`` do not exceed; one value is enough."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


COMMAND = Command("page", __doc__, EXAMPLES, add_options, measure)

if __name__ == "__main__":
    COMMAND.main()
