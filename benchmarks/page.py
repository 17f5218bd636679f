"""Measure the web page in a real browser: how soon is there an answer, how soon a page?

Starts TorchServe and the web UI as `make serve` does, on ports of their own, and Chromium. The
clock is the browser's own, from the choice of a file to the frame that shows the answer. Nothing
else may run.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, FilePayload, Page, sync_playwright

from benchmarks import output
from benchmarks.machine import commit, describe_machine, describe_software
from benchmarks.pictures import large_picture, small_picture
from benchmarks.programs import PROJECT
from model.options import OneLineParser, at_least_one
from tests.browser.chromium import find_chromium, launch_options
from tests.serving import running_server

BENCHMARK = "page"
WARM_UP = 3
FIRST_PAGE_LOADS = 9
PHOTO_RUNS = 10
ANSWER_MILLISECONDS = 180_000
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
# As Lighthouse slows a phone down: bytes a second, milliseconds, times as slow.
SLOW_4G = {"downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8, "latency": 150}
SLOW_PROCESSOR = 4
EPILOG = """\
examples:
  python -m benchmarks.page                        some minutes
  python -m benchmarks.page --runs 5 --output /tmp/trial.md    does it work?
"""
# A message comes after the frame that was asked for is painted.
WATCH = """() => {
    const times = {};
    const send = window.fetch;
    window.fetch = (address, options) => {
        if (options?.body) times.sent = options.body.values().next().value.size;
        return send(address, options);
    };
    window.measured = new Promise((resolve) => {
        document.addEventListener("change", () => { times.chosen = performance.now(); }, true);
        const observer = new MutationObserver(() => {
            if (!document.querySelector("#answers [data-answer]")) return;
            observer.disconnect();
            times.there = performance.now();
            requestAnimationFrame(() => {
                const {port1, port2} = new MessageChannel();
                port1.onmessage = () => {
                    times.painted = performance.now();
                    resolve({there: times.there - times.chosen,
                        painted: times.painted - times.chosen, sent: times.sent});
                };
                port2.postMessage(null);
            });
        });
        observer.observe(document.querySelector("#answers"), {childList: true, subtree: true});
    });
}"""
READ_FIRST_PAGE = """() => new Promise((resolve) => {
    const entries = {};
    for (const type of ["largest-contentful-paint", "layout-shift", "longtask"]) {
        entries[type] = [];
        new PerformanceObserver((list) => entries[type].push(...list.getEntries()))
            .observe({type, buffered: true});
    }
    const [{domContentLoadedEventEnd, loadEventEnd}] = performance.getEntriesByType("navigation");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    // What was buffered comes in a task of its own.
    setTimeout(() => resolve({
        first_paint: paint.startTime,
        largest_paint: entries["largest-contentful-paint"].at(-1).startTime,
        blocked: entries.longtask.reduce((sum, {duration}) => sum + duration - 50, 0),
        shift: entries["layout-shift"].reduce((sum, {value}) => sum + value, 0),
        content_loaded: domContentLoadedEventEnd,
        loaded: loadEventEnd,
    }), 300);
})"""
# The page sends a photo as it is where the browser cannot make it smaller.
WITHOUT_SCALING = "window.createImageBitmap = () => Promise.reject(new Error('none'));"


@dataclass(frozen=True)
class Way:
    """How a picture comes to the server: made smaller by the page or not, slowly or not."""

    scaled: bool = True
    slow: bool = False


USUAL_WAY = Way()


@dataclass(frozen=True)
class Wait:
    """How long a user waits from choosing a file, in milliseconds.

    Attributes:
        there: until the answer is part of the page, one figure for each run.
        painted: until the frame that shows it is painted, likewise.
        sent: bytes of the picture as it was sent.
        label: that was shown.
    """

    there: list[float]
    painted: list[float]
    sent: int
    label: str

    def median(self) -> float:
        """Return the median until it is painted."""
        return statistics.median(self.painted)

    def p95(self) -> float:
        """Return what 95 of 100 take at most."""
        return percentile(self.painted, 95)


@dataclass(frozen=True)
class FirstPage:
    """A first visit, with nothing kept; times in milliseconds since the address was entered.

    Attributes:
        first_paint: until the first text or picture (FCP).
        largest_paint: until the largest one (LCP).
        blocked: sum of what tasks take beyond 50 ms (TBT).
        shift: of what was there already (CLS), 0 for none.
        content_loaded: until the document is read and its scripts have run.
        loaded: until all of its files are there.
        bytes: over the wire, headers included.
        requests: number.
    """

    first_paint: float
    largest_paint: float
    blocked: float
    shift: float
    content_loaded: float
    loaded: float
    bytes: float
    requests: float


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent of ``values`` do not exceed; one is enough."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def measure_wait(
    browser: Browser, url: str, file: FilePayload, runs: int, way: Way = USUAL_WAY
) -> Wait:
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
        page.evaluate(WATCH)
        page.locator("input[name=image]").set_input_files([file])
        times.append(page.evaluate("window.measured"))
    label = page.locator("#answers .label").text_content() or ""
    context.close()
    counted = times[-runs:]
    return Wait(
        [each["there"] for each in counted],
        [each["painted"] for each in counted],
        round(times[-1]["sent"]),
        label,
    )


def slow_down(session: CDPSession, processor: float = 1) -> None:
    """Make a page's connection slow, and its processor."""
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {"offline": False, **SLOW_4G})
    session.send("Emulation.setCPUThrottlingRate", {"rate": processor})


def measure_first_page(browser: Browser, url: str, loads: int, *, is_slow: bool) -> FirstPage:
    """Visit the start page so many times, each time for the first time; return the medians."""
    visits = [_visit(browser, url, is_slow=is_slow) for _ in range(loads)]
    names = FirstPage.__dataclass_fields__
    return FirstPage(**{name: statistics.median(visit[name] for visit in visits) for name in names})


def _visit(browser: Browser, url: str, *, is_slow: bool) -> dict[str, float]:
    context = browser.new_context(viewport=PHONE if is_slow else DESKTOP)  # type: ignore[arg-type]
    page: Page = context.new_page()
    session = context.new_cdp_session(page)
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    session.send("Network.enable")
    if is_slow:
        slow_down(session, SLOW_PROCESSOR)
    page.goto(url, wait_until="networkidle")
    figures: dict[str, float] = page.evaluate(READ_FIRST_PAGE)
    context.close()
    return {**figures, "bytes": sum(sizes), "requests": len(sizes)}


def to_markdown(
    waits: Mapping[str, Wait], pages: Mapping[str, FirstPage], facts: Mapping[str, str]
) -> str:
    """Return the tables and what must be known to read them."""
    lines = [
        "# The page",
        "",
        "From the choice of a file to the frame that shows its answer, by the browser's clock:",
        "",
        "| file | runs | median | 95 of 100 | median until it is part of the page | sent |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {len(wait.painted)} | {wait.median():,.0f} ms | {wait.p95():,.0f} ms | "
            f"{statistics.median(wait.there):,.0f} ms | {wait.sent:,} bytes |"
            for name, wait in waits.items()
        ),
        "",
        "The first visit, with nothing kept, medians:",
        "",
        "| | " + " | ".join(pages) + " |",
        "|---" * (len(pages) + 1) + "|",
        *(
            f"| {title} | "
            + " | ".join(show(getattr(page, name)) for page in pages.values())
            + " |"
            for name, (title, show) in _ROWS.items()
        ),
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
    ]
    return "\n".join(lines) + "\n"


def _milliseconds(value: float) -> str:
    return f"{value:,.0f} ms"


_ROWS: dict[str, tuple[str, Any]] = {
    "first_paint": ("first contentful paint", _milliseconds),
    "largest_paint": ("largest contentful paint", _milliseconds),
    "blocked": ("total blocking time", _milliseconds),
    "shift": ("cumulative layout shift", "{:.3f}".format),
    "content_loaded": ("DOMContentLoaded", _milliseconds),
    "loaded": ("load", _milliseconds),
    "bytes": ("over the wire, headers included", "{:,.0f} bytes".format),
    "requests": ("requests", "{:.0f}".format),
}


def measure(browser: Browser, url: str, runs: int) -> tuple[dict[str, Wait], dict[str, FirstPage]]:
    """Return all waits and all first pages, under the names that the tables show."""
    small = as_file("small.png", small_picture().data)
    ship = as_file("ship.png", (PROJECT / "docs" / "ship.png").read_bytes())
    photo = as_file("photo.jpg", large_picture().data)
    some = min(runs, PHOTO_RUNS)
    plan = {
        "32×32 PNG": (small, runs, USUAL_WAY),
        "640×480 PNG": (ship, runs, USUAL_WAY),
        "12-megapixel JPEG": (photo, some, USUAL_WAY),
        "12-megapixel JPEG, not scaled": (photo, some, Way(scaled=False)),
        "12-megapixel JPEG, slow 4G": (photo, 1, Way(slow=True)),
        "12-megapixel JPEG, not scaled, slow 4G": (photo, 1, Way(scaled=False, slow=True)),
    }
    waits = {}
    for name, (file, count, way) in plan.items():
        waits[name] = measure_wait(browser, url, file, count, way)
        print(f"{name}: {waits[name].median():,.0f} ms", flush=True)
    loads = min(runs, FIRST_PAGE_LOADS)
    pages = {
        "desktop": measure_first_page(browser, url, loads, is_slow=False),
        "phone: slow 4G, processor 4 times as slow": measure_first_page(
            browser, url, loads, is_slow=True
        ),
    }
    return waits, pages


def as_file(name: str, content: bytes) -> FilePayload:
    """Return a file to be chosen."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def create_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser(
        prog="python -m benchmarks.page",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--runs",
        type=at_least_one,
        default=50,
        metavar="N",
        help="answers to each small file; of others fewer (default: 50)",
    )
    output.add_output_option(parser, BENCHMARK, "every single time")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = create_parser()
    options = parser.parse_args(arguments)
    output.check_output(options, parser, BENCHMARK)
    output.interrupt_at_any_signal()
    if find_chromium() is None:
        print("benchmarks.page: error: there is no Chromium; see `make chromium`", file=sys.stderr)
        return 1
    output.warn_of_load()
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        **describe_machine(),
        **describe_software(),
    }
    try:
        with ExitStack() as opened:
            directory = opened.enter_context(tempfile.TemporaryDirectory())
            server = opened.enter_context(running_server(Path(directory), RATE_LIMIT="unlimited"))
            playwright = opened.enter_context(sync_playwright())
            browser = playwright.chromium.launch(**launch_options())
            facts["chromium"] = browser.version
            waits, pages = measure(browser, server.web_ui, options.runs)
            browser.close()
    except KeyboardInterrupt:
        print("\nInterrupted; nothing was written.", file=sys.stderr)
        return 130
    document: dict[str, Any] = {
        "facts": facts,
        "waits": {name: asdict(wait) for name, wait in waits.items()},
        "first_pages": {name: asdict(page) for name, page in pages.items()},
    }
    output.write(to_markdown(waits, pages, facts), document, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
