"""Take a screenshot of every state of the page into docs/screenshots/, and that of the README.

It starts its own TorchServe and web UI, on free ports, and takes a minute or two:

python -m tests.helpers.browser.screenshots
"""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from model import PROJECT
from tests.helpers.browser.chromium import launch_options
from tests.helpers.browser.states import SHIP_FILE, STATES, drawings, show_answers, showing
from tests.helpers.browser.web_uis import USUAL, running_web_uis
from tests.helpers.server import running_server

README_SCREENSHOT = PROJECT / "docs" / "screenshot.png"
FOLDER = PROJECT / "docs" / "screenshots"
DESKTOP, PHONE, NARROWEST, HUGE = (1280, 800), (390, 844), (320, 640), (3840, 2160)
COLOURS = 256
# States that look like others, and one whose model was not trained on its pictures.
LEFT_OUT = {"many-answers", "long-names", "without-scripts-long-names", "teach"}


class Shot(NamedTuple):
    """One screenshot.

    Attributes:
        state: The state that the page is in, see `states`.
        window: The width and height of the window in pixels.
        whole: Whether all of the page is taken, and not only what fits the window.
        options: Options of the browser's context.
    """

    state: str
    window: tuple[int, int] = DESKTOP
    whole: bool = True
    options: Mapping[str, Any] = {}


DARK = {"color_scheme": "dark"}
GERMAN = {"locale": "de-DE"}
TOUCH = {"has_touch": True}
# By the names of their files, without the ending.
SHOTS = {
    **{state: Shot(state) for state in STATES if state not in LEFT_OUT},
    "camera": Shot("camera", whole=False, options={"permissions": ["camera"]}),
    "drop-hint": Shot("drop-hint", whole=False),
    "api": Shot("api", (1280, 1600), whole=False),
    "model-phone-dark": Shot("model", PHONE, options=TOUCH | DARK),
    "api-german": Shot("api", (1280, 1600), whole=False, options=GERMAN),
    "api-phone": Shot("api", (390, 1600), whole=False, options=TOUCH),
    "start-dark": Shot("start", options=DARK),
    "start-german": Shot("start", options=GERMAN),
    "start-phone": Shot("start", PHONE, options=TOUCH),
    "start-320": Shot("start", NARROWEST, options=TOUCH),
    "start-4k": Shot("start", HUGE, whole=False),
    "answer-dark": Shot("answer", options=DARK),
    "answer-german": Shot("answer-with-everything-open", options=GERMAN),
    "answer-phone": Shot("answer", PHONE, options=TOUCH),
    "answer-320": Shot("answer", NARROWEST, options=TOUCH),
    "several-answers-dark": Shot("several-answers", options=DARK),
    "several-answers-4k": Shot("several-answers", HUGE, whole=False),
    "recent-phone-dark": Shot("recent", PHONE, options={**TOUCH, **DARK}),
    "page-404-dark": Shot("page-404", options=DARK),
    "page-404-phone": Shot("page-404", PHONE, options=TOUCH),
}


def main() -> None:
    """Take all screenshots anew."""
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.png"):
        file.unlink()
    with ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        server = opened.enter_context(running_server(directory, MODEL_VERSION="latest"))
        web_uis = opened.enter_context(running_web_uis(server))
        playwright = opened.enter_context(sync_playwright())
        options = launch_options()
        options["args"] += show_to_camera(directory)
        browser = playwright.chromium.launch(**options)
        for name, shot in SHOTS.items():
            take(name, shot, browser, web_uis)
        take_for_readme(browser, web_uis[USUAL])
        browser.close()


def take(name: str, shot: Shot, browser: Browser, web_uis: Mapping[str, str]) -> None:
    """Take one screenshot; of a huge window at half its size."""
    width, height = shot.window
    options = {"viewport": {"width": width, "height": height}, **shot.options}
    with showing(shot.state, browser, web_uis, reduced_motion="reduce", **options) as page:
        file = FOLDER / f"{name}.png"
        save(page, file, whole=shot.whole, reduced=2 if shot.window == HUGE else 1)


def take_for_readme(browser: Browser, address: str) -> None:
    """Take the screenshot of the README, which shows most of the page at once."""
    context = browser.new_context(
        base_url=address, viewport={"width": 1180, "height": 800}, device_scale_factor=1.5
    )
    page = context.new_page()
    show_answers({**SHIP_FILE, **drawings("automobile", "cat")}, 3, page)
    page.evaluate("document.querySelector('#recent').hidden = true")
    save(page, README_SCREENSHOT)
    context.close()


def save(page: Page, file: Path, *, whole: bool = True, reduced: int = 1) -> None:
    """Write what `page` shows as a PNG of few colours, reduced by a whole factor."""
    taken = Image.open(BytesIO(page.screenshot(full_page=whole, animations="disabled")))
    smaller = taken.convert("RGB").reduce(reduced)
    smaller.quantize(COLOURS, kmeans=2, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.relative_to(PROJECT)}: {file.stat().st_size / 1024:.0f} KiB", flush=True)


def show_to_camera(directory: Path) -> list[str]:
    """Write a film of a drawing, and return the options by which Chromium's camera shows it."""
    film = directory / "camera.mjpeg"
    film.write_bytes(drawings("cat")["cat.jpg"] * 2)
    return [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]


if __name__ == "__main__":
    main()
