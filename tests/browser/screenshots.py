"""Take a screenshot of every state of the page into docs/screenshots/, and the README's.

It starts TorchServe and the web UI by itself, on ports of its own.

python -m tests.browser.screenshots                  all of them, a minute or two
python -m tests.browser.screenshots start answer     these alone
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

import urllib3
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from model.options import OneLineParser
from tests.browser.chromium import launch_options
from tests.browser.states import choose, expect_answers, picture, showing
from tests.browser.web_uis import STARTING, running_web_uis
from tests.serving import PROJECT, Server, running_server

README_SCREENSHOT = PROJECT / "docs" / "screenshot.png"
FOLDER = PROJECT / "docs" / "screenshots"
DESKTOP, PHONE, NARROWEST, HUGE = (1280, 800), (390, 844), (320, 640), (3840, 2160)
COLOURS = 256


@dataclass(frozen=True)
class Shot:
    """One screenshot.

    Attributes:
        name: of the file, without its ending.
        state: that the page is in, see `states`.
        window: width and height in pixels.
        whole: whether the page is taken to its end, which may be beyond the window.
        options: of the browser's context.
    """

    name: str
    state: str
    window: tuple[int, int] = DESKTOP
    whole: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


DARK = {"color_scheme": "dark"}
GERMAN = {"locale": "de-DE"}
TOUCH = {"has_touch": True}
SHOTS = (
    *(
        Shot(name, name)
        for name in (
            *("start", "waiting", "answer", "answer-with-everything-open", "several-answers"),
            *("recent", "answers-gone", "offline", "rate-limit"),
            *("error-no-picture", "error-empty", "error-too-large", "error-too-many"),
            *("error-unreadable", "error-with-another-try"),
            *("without-scripts", "without-scripts-answer", "without-scripts-several-answers"),
            *("page-400", "page-403", "page-404", "page-405", "page-413", "page-415"),
            *("page-429", "page-502"),
        )
    ),
    Shot("drop-hint", "drop-hint", whole=False),
    Shot("api", "api", (1280, 1600), whole=False),
    Shot("start-dark", "start", options=DARK),
    Shot("answer-dark", "answer", options=DARK),
    Shot("several-answers-dark", "several-answers", options=DARK),
    Shot("page-404-dark", "page-404", options=DARK),
    Shot("start-german", "start", options=GERMAN),
    Shot("answer-german", "answer-with-everything-open", options=GERMAN),
    Shot("api-german", "api", (1280, 1600), whole=False, options=GERMAN),
    Shot("start-phone", "start", PHONE, options=TOUCH),
    Shot("answer-phone", "answer", PHONE, options=TOUCH),
    Shot("recent-phone-dark", "recent", PHONE, options={**TOUCH, **DARK}),
    Shot("page-404-phone", "page-404", PHONE, options=TOUCH),
    Shot("api-phone", "api", (390, 1600), whole=False, options=TOUCH),
    Shot("start-320", "start", NARROWEST, options=TOUCH),
    Shot("answer-320", "answer", NARROWEST, options=TOUCH),
    Shot("start-4k", "start", HUGE, whole=False),
    Shot("several-answers-4k", "several-answers", HUGE, whole=False),
)
# These need a camera, or another TorchServe.
CAMERA, MODEL_STARTING, README = "camera", "model-starting", "screenshot"
NAMES = (*(shot.name for shot in SHOTS), CAMERA, MODEL_STARTING, README)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = OneLineParser(
        prog="python -m tests.browser.screenshots",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}")
    chosen = parser.parse_args(arguments).names
    for name in chosen:
        if name not in NAMES:
            parser.error(f"there is no screenshot called {name}")
    FOLDER.mkdir(exist_ok=True)
    if not chosen:
        for file in FOLDER.glob("*.png"):
            file.unlink()
    take(set(chosen or NAMES))
    size = sum(file.stat().st_size for file in FOLDER.glob("*.png"))
    print(f"All screenshots together have {size / 2**20:.1f} MiB.")
    return 0


def take(names: set[str]) -> None:
    """Take the screenshots called `names`."""
    with ExitStack() as opened:
        directory = opened.enter_context(tempfile.TemporaryDirectory())
        server = opened.enter_context(running_server(Path(directory), RATE_LIMIT="unlimited"))
        web_uis = opened.enter_context(running_web_uis(server))
        playwright = opened.enter_context(sync_playwright())
        browser = playwright.chromium.launch(**launch_options())
        for shot in SHOTS:
            if shot.name in names:
                take_one(shot, browser, web_uis)
        if README in names:
            take_for_readme(browser, server)
        if MODEL_STARTING in names:
            with no_workers(server):
                starting = Shot(MODEL_STARTING, "model-starting")
                take_one(starting, browser, {**web_uis, STARTING: server.web_ui})
        browser.close()
        if CAMERA in names:
            options = launch_options()
            options["args"] += show_to_camera(Path(directory))
            browser = playwright.chromium.launch(**options)
            seen = Shot(CAMERA, CAMERA, whole=False, options={"permissions": ["camera"]})
            take_one(seen, browser, web_uis)
            browser.close()


def take_one(shot: Shot, browser: Browser, web_uis: Mapping[str, str]) -> None:
    """Take one screenshot; of a huge window at half its size."""
    width, height = shot.window
    options = {"viewport": {"width": width, "height": height}, **shot.options}
    with showing(shot.state, browser, web_uis, reduced_motion="reduce", **options) as page:
        file = FOLDER / f"{shot.name}.png"
        save(page, file, whole=shot.whole, reduced=2 if shot.window == HUGE else 1)


def take_for_readme(browser: Browser, server: Server) -> None:
    """Take what shows most of the page at once."""
    context = browser.new_context(
        base_url=server.web_ui, viewport={"width": 1180, "height": 800}, device_scale_factor=1.5
    )
    page = context.new_page()
    choose(page, *map(picture, ("ship", "automobile", "cat")))
    expect_answers(page, 3)
    page.evaluate("document.querySelector('#recent').hidden = true")
    save(page, README_SCREENSHOT)
    context.close()


def save(page: Page, file: Path, *, whole: bool = True, reduced: int = 1) -> None:
    """Write what `page` shows as a PNG of few colours, reduced by a whole factor."""
    taken = Image.open(BytesIO(page.screenshot(full_page=whole, animations="disabled")))
    smaller = taken.convert("RGB").reduce(reduced)
    smaller.quantize(COLOURS, kmeans=2, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.relative_to(PROJECT)}: {file.stat().st_size / 1024:.0f} KiB", flush=True)


@contextmanager
def no_workers(server: Server) -> Iterator[None]:
    """Have TorchServe end the model's workers, and start them again afterwards."""
    set_workers(server, 0)
    yield
    set_workers(server, 2)


def set_workers(server: Server, count: int) -> None:
    """Have TorchServe run so many workers, and wait until it does."""
    model = f"{server.settings.management_url}/models/{server.settings.model_name}"
    wish = f"min_worker={count}&max_worker={count}&synchronous=true"
    response = urllib3.request("PUT", f"{model}?{wish}", headers=server.authorization("management"))
    assert response.status == HTTPStatus.OK, response.data


def show_to_camera(directory: Path) -> list[str]:
    """Write a film of a drawing, and return what makes Chromium take it for a camera's."""
    film = directory / "camera.mjpeg"
    film.write_bytes(picture("cat")["buffer"] * 2)
    return [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]


if __name__ == "__main__":
    sys.exit(main())
