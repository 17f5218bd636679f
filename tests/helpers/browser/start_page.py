"""The start page in the hands of a test: pictures to send, and what is shown for them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page, Request, Route, expect

from model import PROJECT
from tests.helpers.pictures import encode, make_gradient
from tests.helpers.waiting import wait_until

# Pictures by name; the model sees another class in each.
SHIP = (PROJECT / "docs" / "ship.png").read_bytes()
GRADIENT = encode(make_gradient())
SKY = encode(Image.new("RGB", (40, 30), "skyblue"))
RED = encode(Image.new("RGB", (40, 30), "red"))
FOREST = encode(Image.new("RGB", (40, 30), "forestgreen"))
SAND = encode(Image.new("RGB", (40, 30), "sandybrown"))
PICTURES = {
    "ship.png": SHIP,
    "gradient.png": GRADIENT,
    "sky.png": SKY,
    "red.png": RED,
    "forest.png": FOREST,
    "sand.png": SAND,
}
# A picture that shows none of the model's classes.
BLACK = encode(Image.new("RGB", (40, 30), "black"))
LETTER = b"Dear Sir or Madam"
# Number of files that the browser keeps behind the cards.
COUNT_PICTURES = """() => new Promise((resolve) => {
    indexedDB.open("pictures").onsuccess = ({target: {result: database}}) => {
        const request = database.transaction("pictures").objectStore("pictures").count();
        request.onsuccess = () => { database.close(); resolve(request.result); };
    };
})"""
COPY_MOUSE = 1


def choose(page: Page, files: dict[str, bytes]) -> None:
    """Choose files as the browser's own dialog does, under their names."""
    page.locator("#image").set_input_files(
        [
            FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
            for name, content in files.items()
        ]
    )


def open_with(page: Page, files: dict[str, bytes]) -> None:
    """Open the page and choose files, which its scripts send at once."""
    page.goto("/")
    choose(page, files)


def send_form(page: Page, files: dict[str, bytes]) -> None:
    """Open the page, choose files and send them as without scripts."""
    open_with(page, files)
    page.get_by_role("button", name="Classify").click()
    page.wait_for_url("**/predict")


def drag(page: Page, kind: str, x: float, y: float, **data: object) -> None:
    """Drag something as other programs do: one event, somewhere over the page."""
    data = {"items": [], "dragOperationsMask": COPY_MOUSE, **data}
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
    session.detach()


def drop_on(page: Page, selector: str, files: list[Path]) -> None:
    element = page.locator(selector)
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind in ("dragEnter", "dragOver", "drop"):
        drag(page, kind, x, y, files=[str(file) for file in files])


def cards(page: Page) -> Locator:
    """The cards that are shown: answers, errors and pictures that wait."""
    return page.locator("#answers .answer")


def answers(page: Page) -> Locator:
    return page.locator("#answers [data-answer]")


def wait_for_answers(page: Page, count: int = 1) -> None:
    """Wait until so many cards have an answer and none waits."""
    expect(answers(page)).to_have_count(count)
    expect(page.locator("#answers .waiting")).to_have_count(0)


def classify(page: Page, files: dict[str, bytes]) -> None:
    """Open the page, choose files that the model can read, and wait for all answers."""
    open_with(page, files)
    wait_for_answers(page, len(files))


def expect_labels(page: Page, expected: Sequence[str]) -> None:
    """Wait until the answers are these, in this order, and no picture waits."""
    expect(page.locator("#answers .label")).to_have_text(expected)
    expect(page.locator("#answers .waiting")).to_have_count(0)


def wait_until_kept(page: Page, count: int) -> None:
    """Wait until the browser has kept so many cards, which a reload would lose before."""
    # Playwright's own wait would ask again by ``eval``, which the page's policy forbids.
    kept = "() => JSON.parse(localStorage.answers ?? '[]').flatMap(({cards}) => cards).length"
    wait_until(lambda: page.evaluate(kept) == count)


@contextmanager
def held_predictions(page: Page) -> Iterator[list[Route]]:
    """Keep every picture that is sent on its way until the end of the block."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/predict*", hold)
    yield held
    # This lets them go on.
    page.unroute("**/predict*")


def watch_predictions(page: Page) -> list[Request]:
    """Return a list that grows with every picture that is sent."""
    sent: list[Request] = []

    def record(request: Request) -> None:
        if "/predict" in request.url:
            sent.append(request)

    page.on("request", record)
    return sent
