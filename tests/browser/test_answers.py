"""What an answer on the page says, beside what the model answers offline."""

import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, ViewportSize, expect

from model.inference.classifier import Classifier
from tests.helpers.browser.pages import DESKTOP, PHONE
from tests.helpers.browser.start_page import (
    BLACK,
    GRADIENT,
    LETTER,
    PICTURES,
    SHIP,
    SKY,
    answers,
    cards,
    choose,
    classify,
    expect_labels,
    held_predictions,
    open_with,
    wait_for_answers,
    wait_until_kept,
)
from tests.helpers.pictures import encode
from webui.languages import format_percentage

LAPTOP: ViewportSize = {"width": 1280, "height": 800}
SMARTPHONE: ViewportSize = {"width": 390, "height": 844}
READ_MIDDLE = """async (image) => {
    await image.decode();
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.drawImage(image, -image.naturalWidth / 2, -image.naturalHeight / 2);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""
HOSTILE = "<img src=x onerror=alert(1)>&quot;'\"{{7*7}}.png"


def rows_of(card: Locator) -> list[tuple[str, str]]:
    """Return the classes and percentages of a card's tables, shown or not."""
    rows = card.locator("tbody tr")
    names = rows.locator("th").all_text_contents()
    return list(zip(names, rows.locator(".percentage").all_text_contents(), strict=True))


def seconds_of(text: str) -> float:
    """Return the duration that a card names."""
    found = re.search(r"answered in ([\d.]+) (ms|s)", text)
    assert found is not None, text
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


@pytest.mark.parametrize(
    ("name", "headline"), [("ship.png", "ship"), ("gradient.png", "Not sure: deer or frog?")]
)
def test_an_answer_is_the_models(
    page: Page, classifier: Classifier, name: str, headline: str
) -> None:
    classify(page, {name: PICTURES[name]})
    offline = classifier.classify(PICTURES[name])
    probabilities = offline["probabilities"]
    card = answers(page)
    expect(card.locator(".label")).to_have_text(offline["label"])
    expect(card.get_by_role("heading")).to_have_text(headline)
    expect(card.locator(".confidence")).to_have_text(
        f"{format_percentage(offline['confidence'])} confidence"
    )
    right = int(100 * offline["reliability"]["right"])
    expect(card.get_by_text(f"Right {right} times in 100 when it was this sure")).to_be_visible()
    assert rows_of(card) == [
        (each, format_percentage(probability)) for each, probability in probabilities.items()
    ]
    model = offline["model"]
    expect(card).to_contain_text(f"Model {model['name']}, version {model['version']}, answered in")
    assert 0 < seconds_of(card.inner_text()) < 60
    image = offline["image"]
    described = f"PNG, {image['width']} × {image['height']} pixels"
    expect(card.locator(".description")).to_have_text(described)
    expect(card.locator(".filename")).to_have_text(name)


def test_a_picture_of_none_of_the_classes_is_doubted_wherever_it_is_named(
    page: Page, classifier: Classifier
) -> None:
    classify(page, {"black.png": BLACK})
    label = classifier.classify(BLACK)["label"]
    doubt = f"None of the 10 classes, I think: nearest is {label}"
    expect(answers(page).get_by_role("heading")).to_have_text(doubt)
    expect(page.locator("#announcements")).to_contain_text(f"black.png: {doubt}")
    page.goto("/")
    expect(page.locator("#recent .recent-label")).to_have_text(f"{label}?")


def test_the_picture_that_the_model_saw_is_shown_pixel_for_pixel(
    page: Page, classifier: Classifier
) -> None:
    classify(page, {"gradient.png": GRADIENT})
    seen = page.get_by_role("img", name="The pixels that the model saw")
    expect(seen).to_be_visible()
    drawn = seen.evaluate(
        """async (image) => {
            await image.decode();
            const {naturalWidth: width, naturalHeight: height} = image;
            const canvas = new OffscreenCanvas(width, height).getContext("2d");
            canvas.drawImage(image, 0, 0);
            const {imageRendering} = getComputedStyle(image);
            const {data} = canvas.getImageData(0, 0, width, height);
            return {width, height, imageRendering, data: [...data], shown: image.width};
        }"""
    )
    assert (drawn["width"], drawn["height"]) == (32, 32)
    assert drawn["imageRendering"] == "pixelated"
    assert drawn["shown"] >= 64
    pixels = np.array(drawn["data"], np.uint8).reshape(32, 32, 4)[..., :3]
    np.testing.assert_array_equal(pixels, classifier.prepare(GRADIENT).pixels)


def test_several_pictures_become_a_grid_of_cards_in_their_order(
    page: Page, classifier: Classifier
) -> None:
    classify(page, PICTURES)
    expect(page.locator("#answers .label")).to_have_text(
        [classifier.classify(each)["label"] for each in PICTURES.values()]
    )
    assert cards(page).locator(".filename").all_text_contents() == list(PICTURES)
    for viewport, columns in ((DESKTOP, 3), (PHONE, 1)):
        page.set_viewport_size(viewport)
        boxes = [box for card in cards(page).all() if (box := card.bounding_box())]
        assert len({round(box["x"]) for box in boxes}) == columns
        places = [(round(box["y"]), round(box["x"])) for box in boxes]
        assert places == sorted(places)


@pytest.mark.parametrize(
    ("window", "count"), [(LAPTOP, 16), (LAPTOP, 1), (SMARTPHONE, 4), (PHONE, 1)]
)
def test_the_first_headline_is_seen_after_choosing(
    page: Page, window: ViewportSize, count: int
) -> None:
    page.set_viewport_size(window)
    page.goto("/")
    for _ in range(2):
        choose(page, {f"{number}.png": SKY for number in range(count)})
        wait_for_answers(page, count)
        first = answers(page).first
        expect(first.locator(".label")).to_be_in_viewport(ratio=1)
        # The second time, one has read all answers.
        page.evaluate("scrollTo(0, document.body.scrollHeight)")


def test_nobody_is_scrolled_away_from_what_they_read(page: Page) -> None:
    page.set_viewport_size(SMARTPHONE)
    with held_predictions(page):
        open_with(page, {f"{number}.png": SKY for number in range(4)})
        expect(page.locator(".waiting")).to_have_count(4)
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.evaluate("new Promise(requestAnimationFrame)")
        expect(cards(page).nth(2)).to_be_in_viewport()
    wait_for_answers(page, 4)
    expect(cards(page).nth(2)).to_be_in_viewport()


def test_of_a_moving_picture_the_first_frame_is_shown_as_the_model_saw_it(page: Page) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 50}
    files = {
        f"moving.{name}": encode(frames[0], name, **options) for name in ("gif", "png", "webp")
    }
    classify(page, files)
    previews = answers(page).locator("[data-preview] img")
    for preview in previews.all():
        expect(preview).to_have_attribute("src", re.compile("^data:image/webp"))
        assert preview.evaluate(READ_MIDDLE) == pytest.approx([255, 0, 0], abs=12)


def test_what_the_model_saw_has_an_edge_and_a_long_name_takes_two_lines(page: Page) -> None:
    name = f"{'a-long-name-' * 20}.png"
    classify(page, {name: encode(Image.new("RGB", (40, 30), "white"))})
    expect(answers(page).locator(".pixels")).to_have_css("outline-style", "solid")
    label = answers(page).locator(".filename")
    expect(label).to_have_attribute("title", name)
    lines = "label => label.offsetHeight / parseFloat(getComputedStyle(label).lineHeight)"
    assert label.evaluate(lines) == pytest.approx(2, abs=0.1)


def test_a_bad_picture_hides_no_other_one(page: Page, classifier: Classifier) -> None:
    files = {
        "ship.png": SHIP,
        "damaged.png": SHIP[:2000],
        "letter.txt": LETTER,
        "empty.png": b"",
        "large.png": encode(Image.new("1", (8001, 8000))),
        "sky.png": SKY,
    }
    open_with(page, files)
    wait_for_answers(page, 2)
    assert cards(page).locator(".filename").all_text_contents() == list(files)
    expect(page.locator("#answers .label")).to_have_text(
        [classifier.classify(each)["label"] for each in (SHIP, SKY)]
    )
    types = cards(page).locator(".actions code").all_text_contents()
    assert types == [
        *("UnreadableImageError", "UnsupportedFormatError", "EmptyFileError"),
        "ImageTooLargeError",
    ]
    expect(cards(page).nth(2).locator(".placeholder")).to_have_count(0)
    for problem in page.locator("#answers .problem").all():
        expect(problem.locator("h2")).not_to_be_empty()
        expect(problem.locator(".message")).not_to_be_empty()
        expect(problem.get_by_role("button", name="Try again")).to_be_hidden()
    assert "{" not in page.locator("#answers").inner_text()


def test_a_hostile_file_name_stays_text(page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    open_with(page, {HOSTILE: SKY, f"2{HOSTILE}": LETTER})
    wait_for_answers(page)
    names = cards(page).locator(".filename").all_text_contents()
    assert names == [HOSTILE, f"2{HOSTILE}"]
    shown = answers(page).locator("[data-preview] img")
    expect(shown).to_have_attribute("alt", f"The picture you chose: {HOSTILE}")
    assert page.locator("img[src=x]").count() == 0
    wait_until_kept(page, 2)
    page.reload()
    wait_for_answers(page)
    assert cards(page).locator(".filename").all_text_contents() == names
    assert page.locator("img[src=x]").count() == 0
    assert dialogs == []


def test_a_format_that_the_browser_cannot_show_is_answered_all_the_same(
    page: Page, classifier: Classifier
) -> None:
    photo = encode(Image.open(io.BytesIO(SHIP)), "HEIF")
    with held_predictions(page):
        open_with(page, {"photo.heic": photo})
        expect(page.locator(".waiting .placeholder")).to_be_visible()
    expect_labels(page, [classifier.classify(photo)["label"]])
    expect(answers(page)).to_contain_text("Your browser cannot show this format")
    expect(page.get_by_role("img", name="The pixels that the model saw")).to_be_visible()


def test_the_same_error_twice_has_two_names(page: Page) -> None:
    open_with(page, {"first.png": b"", "second.png": b""})
    articles = page.get_by_role("article", name="That file is empty")
    expect(articles).to_have_count(2)
    named = [article.get_attribute("aria-labelledby") for article in articles.all()]
    assert len({*named}) == 2
    for name in named:
        expect(page.locator(f"[id='{name}']")).to_have_count(1)
