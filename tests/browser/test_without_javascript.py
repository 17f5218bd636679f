"""Without JavaScript there is a form, and a page with the answers to what it sends."""

from playwright.sync_api import Page, expect

from model.inference.classifier import Classifier
from tests.helpers.browser.start_page import LETTER, PICTURES, SHIP, send_form
from webui.languages import format_percentage


def test_one_picture_gets_a_page_of_its_own(
    page_without_javascript: Page, classifier: Classifier
) -> None:
    page = page_without_javascript
    send_form(page, {"ship.png": SHIP})
    offline = classifier.classify(SHIP)
    expect(page.get_by_role("heading", level=1)).to_have_text(offline["label"])
    expect(page).to_have_title("ship (> 99.9 %) – Image classifier")
    rows = page.locator("tbody tr")
    assert rows.locator("th").all_text_contents() == list(offline["probabilities"])
    assert rows.locator(".percentage").all_text_contents() == [
        format_percentage(each) for each in offline["probabilities"].values()
    ]
    expect(rows.filter(visible=True)).to_have_count(5)
    page.get_by_text("The other 5 classes").first.click()
    expect(rows.filter(visible=True)).to_have_count(10)
    expect(page.get_by_role("img", name="The picture you chose: ship.png")).to_be_visible()
    expect(page.get_by_role("img", name="The pixels that the model saw")).to_be_visible()
    expect(page.get_by_text("Model cifar10, version 1.0, answered in")).to_be_visible()
    page.get_by_text("The same from code").click()
    expect(page.locator(".snippet").first).to_contain_text('image=@"ship.png"')
    # Copying needs a script.
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)


def test_several_pictures_get_a_page_with_a_card_each(
    page_without_javascript: Page, classifier: Classifier
) -> None:
    page = page_without_javascript
    send_form(page, {**PICTURES, "letter.txt": LETTER, "empty.png": b""})
    expect(page.get_by_role("heading", level=1)).to_have_text("6 answers")
    expect(page).to_have_title("6 answers – Image classifier")
    expect(page.get_by_text("8 pictures were sent.")).to_be_visible()
    labels = page.locator(".label").all_text_contents()
    assert labels == [classifier.classify(each)["label"] for each in PICTURES.values()]
    names = page.locator(".filename").all_text_contents()
    assert names == [*PICTURES, "letter.txt", "empty.png"]
    problems = page.locator(".problem .actions code").all_text_contents()
    assert problems == ["UnsupportedFormatError", "EmptyFileError"]


def test_what_needs_a_script_is_not_offered(page_without_javascript: Page) -> None:
    page = page_without_javascript
    page.goto("/")
    expect(page.get_by_role("button", name="Take a photo")).to_be_hidden()
    expect(page.get_by_text("drop them anywhere on the page")).to_be_hidden()
    expect(page.get_by_text("Choose pictures, or drop them here")).to_be_visible()
    expect(page.locator("#recent")).to_be_hidden()
