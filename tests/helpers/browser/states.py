"""Every state that the page can be in, and the way into it: for tests and for screenshots."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.helpers.browser.start_page import BLACK, LETTER, SHIP, choose, open_with, send_form
from tests.helpers.browser.web_uis import (
    LOCKED_OUT,
    RATIONED,
    SMALL,
    STARTING,
    TEACHING,
    UNREACHABLE,
    USUAL,
)

LONG_NAME = "a-name-without-any-place-to-break-" + "x" * 150
MOST_PICTURES = 16
# Drawings, made for this project, of things that the shipped model knows.
DRAWINGS = {file.name: file.read_bytes() for file in Path(__file__).parent.glob("drawings/*.jpg")}
EMPTY_FILE = {"empty.png": b""}
TEXT_FILE = {"letter.png": LETTER}
SHIP_FILE = {"ship.png": SHIP}


@dataclass(frozen=True)
class State:
    """One state of the page.

    Attributes:
        show: Leads a page, whose base URL is the web UI's, into the state.
        web_ui: The web UI that it takes, see `web_uis`.
        scripts: Whether scripts run.
    """

    show: Callable[[Page], None]
    web_ui: str = USUAL
    scripts: bool = True


@contextmanager
def showing(
    name: str, browser: Browser, web_uis: Mapping[str, str], **options: Any
) -> Iterator[Page]:
    """Open a page in the state called `name`; `options` are those of Playwright's contexts.

    Where scripts must not run, they are not loaded: if they were forbidden, axe-core could not run.
    """
    chosen = STATES[name]
    context = browser.new_context(base_url=web_uis[chosen.web_ui], **options)
    if not chosen.scripts:
        context.route("**/*.js", lambda route: route.abort())
    page = context.new_page()
    chosen.show(page)
    yield page
    # A request that a route still holds would be an error after the context is closed.
    page.unroute_all(behavior="ignoreErrors")
    context.close()


def drawings(*names: str) -> dict[str, bytes]:
    """Return drawings under the names of their files."""
    return {f"{name}.jpg": DRAWINGS[f"{name}.jpg"] for name in names}


def come_to(
    selector: str,
    files: dict[str, bytes] | None = None,
    path: str = "/",
    *,
    web_ui: str = USUAL,
    scripts: bool = True,
) -> State:
    """Return the state that a path leads to, or files that are chosen or sent, once it shows."""

    def show(page: Page) -> None:
        if files is None:
            page.goto(path)
        elif scripts:
            open_with(page, files)
        else:
            send_form(page, files)
        expect(page.locator(selector).first).to_be_visible()

    return State(show, web_ui, scripts)


def show_answers(files: dict[str, bytes], count: int, page: Page) -> None:
    """Choose files of which so many get an answer."""
    open_with(page, files)
    expect(page.locator("[data-answer]")).to_have_count(count)
    expect(page.locator(".waiting")).to_have_count(0)
    expect(page.locator("#recent li")).to_have_count(count)


def show_corrected(page: Page) -> None:
    """Show the answers of one class alone, one of which was corrected."""
    show_answers(SEVERAL, 4, page)
    page.get_by_label("Wrong? It is").first.select_option("bird")
    expect(page.locator("#corrections")).to_be_visible()
    page.get_by_role("button", name="airplane 1").click()
    page.get_by_role("button", name="Most doubtful first").click()
    page.evaluate("document.activeElement.blur()")


def show_waiting(page: Page) -> None:
    page.route("**/predict?*", lambda _route: None)
    open_with(page, SHIP_FILE)
    expect(page.locator(".waiting img")).to_be_visible()


def show_everything(page: Page) -> None:
    show_answers(SHIP_FILE, 1, page)
    for summary in page.locator("#answers summary").all():
        summary.click()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def show_explanation(page: Page) -> None:
    show_answers(SHIP_FILE, 1, page)
    page.get_by_role("button", name="Why?").click()
    expect(page.get_by_label("Opacity")).to_be_visible()


def show_long_names(show: Callable[[Page], None], page: Page) -> None:
    """Show answers of a model whose classes have long names: they may be called anything."""
    show(page)
    page.evaluate(
        """() => {
            for (const name of document.querySelectorAll(".ranking th[scope=row], .label")) {
                name.textContent = `${"Donaudampfschiff".repeat(6)} of several words`;
            }
            for (const details of document.querySelectorAll("details")) details.open = true;
        }"""
    )


def show_no_picture(page: Page) -> None:
    page.goto("/")
    page.evaluate("document.querySelector('#picture-form').noValidate = true")
    page.evaluate("document.querySelector('#picture-form').requestSubmit()")
    expect(page.get_by_text("NoFileError")).to_be_visible()


def show_rate_limit(page: Page) -> None:
    for files in (SHIP_FILE, drawings("horse")):
        open_with(page, files)
        expect(page.get_by_role("heading", name="Classifying")).to_have_count(0)
    expect(page.get_by_role("heading", name="Too many pictures")).to_be_visible()


def show_starting(page: Page) -> None:
    open_with(page, SHIP_FILE)
    expect(page.get_by_role("heading", name="The model is not ready")).to_be_visible()
    expect(page.locator("#server-state")).not_to_be_empty()


def show_offline(page: Page) -> None:
    page.goto("/")
    expect(page.locator("#open-camera")).to_be_visible()
    page.context.set_offline(offline=True)
    choose(page, SHIP_FILE)
    expect(page.locator(".waiting .message")).not_to_be_empty()


def show_recent(page: Page) -> None:
    show_answers(drawings("airplane"), 1, page)
    open_with(page, {**drawings("automobile", "horse", "cat"), **SHIP_FILE})
    expect(page.locator("#recent li")).to_have_count(5)
    page.goto("/")
    expect(page.locator("#recent li")).to_have_count(5)


def show_camera(page: Page) -> None:
    """Open the camera, or show the problem where the browser has none."""
    page.goto("/")
    page.get_by_role("button", name="Take a photo").click()
    expect(page.locator("#shutter:enabled, #camera-problem:not(:empty)")).to_be_visible()


def show_drop_hint(page: Page) -> None:
    page.goto("/")
    transfer: Any = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["x"], "ship.png"));
            return transfer;
        }"""
    )
    page.dispatch_event("main", "dragover", {"dataTransfer": transfer})
    expect(page.locator("#drop-hint")).to_be_visible()


def show_lessons(page: Page) -> None:
    """Show classes with pictures, a trained model, and what it sees in a picture."""
    page.goto("/teach")
    page.locator("#try input[type=file]").set_input_files(
        [FilePayload(name="ship.png", mimeType="image/png", buffer=SHIP)]
    )
    expect(page.locator("#tried")).to_be_focused()
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def show_page_403(page: Page) -> None:
    # localhost and 127.0.0.1 are the same machine, but two sites.
    page.goto("/nothing")
    address = page.evaluate("`${location.protocol}//localhost:${location.port}/predict`")
    page.goto("about:blank")
    page.set_content(f'<form action="{address}" method="post"><button>Send</button></form>')
    page.get_by_role("button").click()
    expect(page.get_by_text("CrossSiteError")).to_be_visible()


def show_page_429(page: Page) -> None:
    for _ in range(2):
        send_form(page, SHIP_FILE)
    expect(page.get_by_text("RateLimitError")).to_be_visible()


SEVERAL = {**drawings("airplane", "automobile", "cat"), **TEXT_FILE, **drawings("horse")}
SOME = {**drawings("automobile"), **TEXT_FILE, **drawings("horse")}
MANY = {f"{index}.jpg": list(DRAWINGS.values())[index % 4] for index in range(MOST_PICTURES)}
# Two pictures and a letter under names that no line has room for.
LONG_NAMES = {f"{LONG_NAME}{index}.jpg": content for index, content in enumerate(SOME.values())}
STATES: dict[str, State] = {
    "start": come_to("#open-camera"),
    "waiting": State(show_waiting),
    "answer": State(partial(show_answers, SHIP_FILE, 1)),
    "answer-none-of-the-classes": State(partial(show_answers, {"black.png": BLACK}, 1)),
    "answer-with-everything-open": State(show_everything),
    "explanation": State(show_explanation),
    "several-answers": State(partial(show_answers, SEVERAL, 4)),
    "corrected": State(show_corrected),
    "many-answers": State(partial(show_answers, MANY, MOST_PICTURES)),
    "long-names": State(partial(show_long_names, partial(show_answers, LONG_NAMES, 2))),
    "error-no-picture": State(show_no_picture),
    "error-empty": come_to("text=EmptyFileError", EMPTY_FILE),
    "error-too-large": come_to("text=UploadTooLargeError", SHIP_FILE, web_ui=SMALL),
    "error-unreadable": come_to("text=UnsupportedFormatError", TEXT_FILE),
    "error-with-another-try": come_to("text=Try again", SHIP_FILE, web_ui=LOCKED_OUT),
    "rate-limit": State(show_rate_limit, RATIONED),
    "model-starting": State(show_starting, STARTING),
    "offline": State(show_offline),
    "recent": State(show_recent),
    "answers-gone": come_to(".note", path="/#answers-0"),
    "camera": State(show_camera),
    "drop-hint": State(show_drop_hint),
    "api": come_to("h2", path="/api"),
    "model": come_to("h1", path="/model"),
    "teach": State(show_lessons, TEACHING),
    "without-scripts": come_to("h1", scripts=False),
    "without-scripts-answer": come_to(".label:text-is('ship')", SHIP_FILE, scripts=False),
    "without-scripts-several-answers": come_to("h1:text-is('2 answers')", SOME, scripts=False),
    "without-scripts-long-names": State(
        partial(show_long_names, come_to(".label", LONG_NAMES, scripts=False).show), scripts=False
    ),
    "page-400": come_to("text=EmptyFileError", EMPTY_FILE, scripts=False),
    "page-403": State(show_page_403),
    "page-404": come_to("text=NotFoundError", path="/nothing", scripts=False),
    "page-413": come_to("text=UploadTooLargeError", SHIP_FILE, web_ui=SMALL, scripts=False),
    "page-429": State(show_page_429, RATIONED, scripts=False),
    "page-502": come_to(
        "text=ModelServerUnreachableError", SHIP_FILE, web_ui=UNREACHABLE, scripts=False
    ),
}
