"""The web UI as a person meets it: a real browser, the real web UI, the real TorchServe."""

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from model.classifier import Classifier
from tests.conftest import SHIPPED_ARCHIVE, encode


def choose(page: Page, name: str, data: bytes) -> None:
    page.goto("/")
    page.get_by_label("picture").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


def test_a_chosen_picture_is_previewed_before_it_is_sent(page: Page, png: bytes) -> None:
    choose(page, "gradient.png", png)
    preview = page.locator("#preview")
    expect(preview).to_be_visible()
    assert preview.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [48, 32]
    expect(page.get_by_text("gradient.png")).to_be_visible()
    assert page.url.endswith("/")


def test_the_result_page_shows_the_picture_the_label_and_a_bar_for_each_class(
    page: Page, png: bytes
) -> None:
    choose(page, "gradient.png", png)
    page.get_by_role("button", name="Classify").click()
    page.wait_for_url("**/predict")
    offline = Classifier.load(SHIPPED_ARCHIVE).classify(png)

    expect(page.get_by_role("heading", level=1)).to_have_text(offline["label"])
    shown = page.locator("figure img")
    assert shown.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [48, 32]
    rows = page.get_by_role("row")
    assert [row.split("\t")[0].split("\n")[0] for row in rows.all_inner_texts()[1:]] == list(
        offline["probabilities"]
    )
    widths = [bar.bounding_box() for bar in page.locator(".bar-fill").all()]
    tracks = [track.bounding_box() for track in page.locator(".bar-track").all()]
    assert len(widths) == 10
    for width, track, probability in zip(
        widths, tracks, offline["probabilities"].values(), strict=True
    ):
        drawn = width["width"] if width else 0
        assert track is not None
        assert drawn / track["width"] == pytest.approx(probability, abs=0.02)
    expect(page.get_by_text("version 1.0")).to_be_visible()
    assert page.title().startswith(offline["label"])


def test_the_pages_fit_the_window(page: Page, png: bytes) -> None:
    choose(page, "a-name-without-any-place-to-break-" + "x" * 150 + ".png", png)
    for _ in range(2):
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) <= 0
        if page.url.endswith("/"):
            page.get_by_role("button", name="Classify").click()
            page.wait_for_url("**/predict")


def test_a_photo_of_a_phone_is_answered(page: Page) -> None:
    photo = encode(Image.radial_gradient("L").resize((4000, 3000)).convert("RGB"), "JPEG")
    choose(page, "photo.jpg", photo)
    page.get_by_role("button", name="Classify").click()
    page.wait_for_url("**/predict")
    expect(page.locator("figure img")).to_be_visible()
    expect(page.locator("figcaption")).to_contain_text("JPEG, 4000 × 3000 pixels")


def test_what_is_no_picture_gets_a_page_that_says_so_and_leads_back(page: Page) -> None:
    choose(page, "letter.png", b"Dear Sir or Madam")
    page.get_by_role("button", name="Classify").click()
    page.wait_for_url("**/predict")
    expect(page.get_by_text("UnsupportedFormatError")).to_be_visible()
    page.get_by_role("link", name="Back to the form").click()
    expect(page.get_by_role("button", name="Classify")).to_be_visible()


def test_too_large_a_file_is_named_before_it_is_sent(page: Page) -> None:
    choose(page, "huge.png", bytes(16 * 1024 * 1024 + 1))
    expect(page.get_by_text("too large")).to_be_visible()
    expect(page.locator("#preview")).to_be_hidden()


def test_another_picture_can_be_sent_from_the_result(page: Page, png: bytes) -> None:
    choose(page, "gradient.png", png)
    page.get_by_role("button", name="Classify").click()
    page.get_by_role("link", name="Classify another picture").click()
    expect(page.get_by_role("button", name="Classify")).to_be_enabled()


def test_the_back_button_leads_to_a_form_that_can_be_sent_again(page: Page, png: bytes) -> None:
    choose(page, "gradient.png", png)
    page.get_by_role("button", name="Classify").click()
    page.wait_for_url("**/predict")
    page.go_back()
    expect(page.get_by_role("button", name="Classify")).to_have_text("Classify")


def test_a_name_with_markup_stays_text(page: Page, png: bytes) -> None:
    choose(page, "<img src=x onerror=alert(1)>.png", png)
    page.get_by_role("button", name="Classify").click()
    page.wait_for_url("**/predict")
    expect(page.locator("figcaption")).to_contain_text("<img src=x")
    assert page.locator("img").count() == 1


def test_it_works_with_the_keyboard_alone(page: Page, png: bytes) -> None:
    choose(page, "gradient.png", png)
    page.keyboard.press("Tab")
    for _ in range(8):
        if page.evaluate("document.activeElement.id") == "submit":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/predict")
    expected = Classifier.load(SHIPPED_ARCHIVE).classify(png)["label"]
    expect(page.get_by_role("heading", level=1)).to_have_text(expected)


def test_it_works_without_javascript(page_without_javascript: Page, png: bytes) -> None:
    page = page_without_javascript
    choose(page, "gradient.png", png)
    page.get_by_role("button", name="Classify").click()
    page.wait_for_url("**/predict")
    expected = Classifier.load(SHIPPED_ARCHIVE).classify(png)["label"]
    expect(page.get_by_role("heading", level=1)).to_have_text(expected)


def test_an_error_is_clear_without_javascript_too(page_without_javascript: Page) -> None:
    page = page_without_javascript
    choose(page, "empty.png", b"")
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_text("EmptyFileError")).to_be_visible()
