"""The start page in the hands of a test: pictures to send, and what is shown for them."""

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page, Request, Route, expect

from tests.conftest import encode, make_gradient
from tests.serving import PROJECT

# The model sees another class in each.
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
LETTER = b"Dear Sir or Madam"


def choose(page: Page, files: dict[str, bytes]) -> None:
    """Choose files as the browser's own dialog does, under their names."""
    page.locator("#image").set_input_files(
        [
            FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
            for name, content in files.items()
        ]
    )


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
    page.goto("/")
    choose(page, files)
    wait_for_answers(page, len(files))


def labels(page: Page) -> list[str]:
    """Return the labels that are shown, in their order."""
    return page.locator("#answers .label").all_text_contents()


@contextmanager
def held_predictions(page: Page) -> Iterator[list[Route]]:
    """Keep every picture that is sent on its way until the end of the block."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/predict*", hold)
    yield held
    # Which lets them go on.
    page.unroute("**/predict*")


def watch_predictions(page: Page) -> list[Request]:
    """Return a list that grows with every picture that is sent."""
    sent: list[Request] = []

    def record(request: Request) -> None:
        if "/predict" in request.url:
            sent.append(request)

    page.on("request", record)
    return sent
