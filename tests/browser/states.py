"""Every state that the page can be in, and the way into it: for tests and for screenshots."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.drawings import DRAWINGS
from tests.browser.web_uis import (
    HASTY,
    LOCKED_OUT,
    RATIONED,
    SMALL,
    STARTING,
    UNREACHABLE,
    USUAL,
)
from tests.conftest import encode
from tests.serving import PROJECT

LONG_NAME = "a-name-without-any-place-to-break-" + "x" * 150 + ".jpg"
MOST_PICTURES = 16


@dataclass(frozen=True)
class State:
    """One state of the page.

    Attributes:
        name: in small letters, with hyphens.
        show: leads a page, whose base URL is the web UI's, into it.
        web_ui: which one it takes, see `web_uis`.
        scripts: whether they run.
    """

    name: str
    show: Callable[[Page], None]
    web_ui: str = USUAL
    scripts: bool = True


STATES: dict[str, State] = {}


def state(
    name: str, web_ui: str = USUAL, *, scripts: bool = True
) -> Callable[[Callable[[Page], None]], Callable[[Page], None]]:
    """Enter what leads to a state into `STATES`."""

    def enter(show: Callable[[Page], None]) -> Callable[[Page], None]:
        STATES[name] = State(name, show, web_ui, scripts)
        return show

    return enter


@contextmanager
def showing(
    name: str, browser: Browser, web_uis: Mapping[str, str], **options: Any
) -> Iterator[Page]:
    """Open a page in the state called `name`; `options` are those of Playwright's contexts.

    Scripts that shall not run are not loaded. Were they forbidden, axe-core could not run either.
    """
    chosen = STATES[name]
    context = browser.new_context(base_url=web_uis[chosen.web_ui], **options)
    if not chosen.scripts:
        context.route("**/*.js", lambda route: route.abort())
    page = context.new_page()
    chosen.show(page)
    yield page
    # Requests that are still held must not be continued by nobody.
    page.unroute_all(behavior="ignoreErrors")
    context.close()


@cache
def picture(name: str) -> FilePayload:
    """Return a picture to be chosen: a drawing, or docs/ship.png."""
    if name == "ship":
        return payload("ship.png", (PROJECT / "docs" / "ship.png").read_bytes())
    return payload(f"{name}.jpg", encode(DRAWINGS[name](), "JPEG", quality=90))


def payload(name: str, content: bytes) -> FilePayload:
    """Return a file to be chosen."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


LETTER = payload("letter.png", b"Dear Sir or Madam")


def choose(page: Page, *files: FilePayload) -> None:
    """Open the start page and choose files; scripts send them at once."""
    page.goto("/")
    page.locator("input[name=image]").set_input_files(list(files))


def send(page: Page, *files: FilePayload) -> None:
    """Open the start page, choose files and send them without scripts."""
    choose(page, *files)
    page.get_by_role("button", name="Classify").click()
    page.wait_for_url("**/predict")


def expect_answers(page: Page, count: int) -> None:
    """Wait until so many pictures have their answers."""
    expect(page.locator("[data-answer]")).to_have_count(count)
    expect(page.locator(".waiting")).to_have_count(0)
    expect(page.locator("#recent li")).to_have_count(count)


@state("start")
def show_start(page: Page) -> None:
    page.goto("/")
    expect(page.locator("#open-camera")).to_be_visible()


@state("waiting")
def show_waiting(page: Page) -> None:
    page.route("**/predict?*", lambda _route: None)
    choose(page, picture("ship"))
    expect(page.locator(".waiting img")).to_be_visible()


@state("answer")
def show_answer(page: Page) -> None:
    choose(page, picture("ship"))
    expect_answers(page, 1)


@state("answer-with-everything-open")
def show_everything(page: Page) -> None:
    show_answer(page)
    for summary in page.locator("#answers summary").all():
        summary.click()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


@state("several-answers")
def show_several(page: Page) -> None:
    choose(page, *map(picture, ("airplane", "automobile", "cat")), LETTER, picture("horse"))
    expect_answers(page, 4)


@state("many-answers")
def show_many(page: Page) -> None:
    names = ["ship", *DRAWINGS] * 2
    choose(page, *map(picture, names[:MOST_PICTURES]))
    expect_answers(page, MOST_PICTURES)


@state("long-names")
def show_long_names(page: Page) -> None:
    """Another model's classes may be called anything."""
    files = [{**picture(name), "name": LONG_NAME} for name in ("truck", "frog")]
    choose(page, *files, {**LETTER, "name": LONG_NAME})  # type: ignore[arg-type]
    expect_answers(page, 2)
    _lengthen(page)


def _lengthen(page: Page) -> None:
    page.evaluate(
        """() => {
            for (const name of document.querySelectorAll(".ranking th[scope=row], .label")) {
                name.textContent = `${"Donaudampfschiff".repeat(6)} of several words`;
            }
            for (const details of document.querySelectorAll("details")) details.open = true;
        }"""
    )


@state("error-no-picture")
def show_no_picture(page: Page) -> None:
    page.goto("/")
    page.evaluate("document.querySelector('#picture-form').noValidate = true")
    page.evaluate("document.querySelector('#picture-form').requestSubmit()")
    expect(page.get_by_text("NoFileError")).to_be_visible()


@state("error-empty")
def show_empty(page: Page) -> None:
    choose(page, payload("empty.png", b""))
    expect(page.get_by_text("EmptyFileError")).to_be_visible()


@state("error-too-large", SMALL)
def show_too_large(page: Page) -> None:
    choose(page, picture("ship"))
    expect(page.get_by_text("UploadTooLargeError")).to_be_visible()


@state("error-too-many")
def show_too_many(page: Page) -> None:
    choose(page, *[LETTER] * (MOST_PICTURES + 1))
    expect(page.get_by_text("TooManyPicturesError")).to_be_visible()


@state("error-unreadable")
def show_unreadable(page: Page) -> None:
    choose(page, LETTER)
    expect(page.get_by_text("UnsupportedFormatError")).to_be_visible()


@state("error-with-another-try", LOCKED_OUT)
def show_another_try(page: Page) -> None:
    choose(page, picture("ship"))
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


@state("rate-limit", RATIONED)
def show_rate_limit(page: Page) -> None:
    for name in ("ship", "horse"):
        choose(page, picture(name))
        expect(page.get_by_role("heading", name="Classifying")).to_have_count(0)
    expect(page.get_by_role("heading", name="Too many pictures")).to_be_visible()


@state("model-starting", STARTING)
def show_starting(page: Page) -> None:
    choose(page, picture("ship"))
    expect(page.locator("#server-state")).not_to_be_empty()
    expect(page.get_by_role("heading", name="The model is not ready")).to_be_visible()


@state("offline")
def show_offline(page: Page) -> None:
    page.goto("/")
    expect(page.locator("#open-camera")).to_be_visible()
    page.context.set_offline(offline=True)
    page.locator("input[name=image]").set_input_files([picture("ship")])
    expect(page.get_by_role("heading", name="The server cannot be reached")).to_be_visible()


@state("recent")
def show_recent(page: Page) -> None:
    kept = page.locator("#recent li")
    for count, names in (
        (1, ["airplane"]),
        (3, ["automobile", "horse"]),
        (6, ["cat", "ship", "frog"]),
    ):
        choose(page, *map(picture, names))
        expect(kept).to_have_count(count)
    page.goto("/")
    expect(page.locator("#recent li")).to_have_count(6)


@state("answers-gone")
def show_gone(page: Page) -> None:
    page.goto("/#answers-0")
    expect(page.locator(".gone")).to_be_visible()


@state("camera")
def show_camera(page: Page) -> None:
    """It shows the problem where the browser has no camera."""
    page.goto("/")
    page.get_by_role("button", name="Take a photo").click()
    expect(page.locator("#shutter:enabled, #camera-problem:not(:empty)")).to_be_visible()


@state("drop-hint")
def show_drop_hint(page: Page) -> None:
    page.goto("/")
    drag(page, "dragover")
    expect(page.locator("#drop-hint")).to_be_visible()


def drag(page: Page, event: str) -> None:
    """Let a file be dragged over the page."""
    transfer: Any = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["x"], "ship.png"));
            return transfer;
        }"""
    )
    page.dispatch_event("main", event, {"dataTransfer": transfer})


@state("api")
def show_api(page: Page) -> None:
    page.goto("/api")
    expect(page.get_by_role("heading", level=2).first).to_be_visible()


@state("without-scripts", scripts=False)
def show_start_without_scripts(page: Page) -> None:
    page.goto("/")


@state("without-scripts-answer", scripts=False)
def show_answer_without_scripts(page: Page) -> None:
    send(page, picture("ship"))
    expect(page.get_by_role("heading", level=1)).to_have_text("ship")


@state("without-scripts-several-answers", scripts=False)
def show_several_without_scripts(page: Page) -> None:
    send(page, picture("automobile"), LETTER, picture("horse"))
    expect(page.get_by_role("heading", level=1)).to_have_text("2 answers")


@state("without-scripts-long-names", scripts=False)
def show_long_names_without_scripts(page: Page) -> None:
    files = [{**picture(name), "name": LONG_NAME} for name in ("truck", "frog")]
    send(page, *files, {**LETTER, "name": LONG_NAME})  # type: ignore[arg-type]
    _lengthen(page)


@state("page-400", scripts=False)
def show_page_400(page: Page) -> None:
    send(page, payload("empty.png", b""))
    expect(page.get_by_text("EmptyFileError")).to_be_visible()


@state("page-403")
def show_page_403(page: Page) -> None:
    # localhost and 127.0.0.1 are the same machine, and two sites.
    page.goto("/nothing")
    address = page.evaluate("`${location.protocol}//localhost:${location.port}/predict`")
    page.goto("about:blank")
    page.set_content(f'<form action="{address}" method="post"><button>Send</button></form>')
    page.get_by_role("button").click()
    expect(page.get_by_text("CrossSiteError")).to_be_visible()


@state("page-404", scripts=False)
def show_page_404(page: Page) -> None:
    page.goto("/nothing")
    expect(page.get_by_text("NotFoundError")).to_be_visible()


@state("page-405")
def show_page_405(page: Page) -> None:
    _submit(page, {"action": "/"})
    expect(page.get_by_text("MethodNotAllowedError")).to_be_visible()


@state("page-413", SMALL, scripts=False)
def show_page_413(page: Page) -> None:
    send(page, picture("ship"))
    expect(page.get_by_text("UploadTooLargeError")).to_be_visible()


@state("page-415")
def show_page_415(page: Page) -> None:
    _submit(page, {"enctype": "text/plain"})
    expect(page.get_by_text("UnsupportedMediaTypeError")).to_be_visible()


def _submit(page: Page, changes: dict[str, str]) -> None:
    """Send the form as no script of the page would."""
    page.goto("/")
    page.evaluate(
        """(changes) => {
            const form = Object.assign(document.querySelector("#picture-form"), changes);
            HTMLFormElement.prototype.submit.call(form);
        }""",
        changes,
    )


@state("page-429", RATIONED, scripts=False)
def show_page_429(page: Page) -> None:
    for _ in range(2):
        send(page, picture("ship"))
    expect(page.get_by_text("RateLimitError")).to_be_visible()


@state("page-502", UNREACHABLE, scripts=False)
def show_page_502(page: Page) -> None:
    send(page, picture("ship"))
    expect(page.get_by_text("ModelServerUnreachableError")).to_be_visible()


@state("page-503", STARTING, scripts=False)
def show_page_503(page: Page) -> None:
    send(page, picture("ship"))
    expect(page.get_by_text("ModelNotReadyError")).to_be_visible()


@state("page-504", HASTY, scripts=False)
def show_page_504(page: Page) -> None:
    send(page, picture("ship"))
    expect(page.get_by_text("ModelServerTimeoutError")).to_be_visible()
