"""The code beside each answer, and the button that copies it."""

from playwright.sync_api import Page, expect

from tests.helpers.browser.start_page import SHIP, answers, classify


def copy(page: Page, language: str) -> str:
    """Open the code of the first card, press the button, and return what was copied."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card = answers(page).first
    details = card.locator("details", has_text="The same from code")
    if details.get_attribute("open") is None:
        details.locator("summary").click()
    card.get_by_role("button", name=f"Copy {language}").click()
    snippet = card.locator(".snippet", has_text=language)
    expect(snippet.get_by_role("status")).to_have_text("Copied")
    copied: str = page.evaluate("navigator.clipboard.readText()")
    assert copied == snippet.locator("code").text_content()
    return copied


def test_the_code_of_a_kept_answer_can_be_copied(page: Page) -> None:
    classify(page, {"ship.png": SHIP})
    expect(page.locator("#recent li")).to_have_count(1)
    page.reload()
    assert "ship.png" in copy(page, "curl")


def test_copied_is_said_for_a_moment(page: Page) -> None:
    page.clock.install()
    classify(page, {"ship.png": SHIP})
    copy(page, "curl")
    page.clock.fast_forward(3000)
    expect(answers(page).get_by_role("status").first).to_be_empty()


def test_without_a_clipboard_the_code_is_selected(page: Page) -> None:
    """As over plain HTTP from another machine."""
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined});")
    classify(page, {"ship.png": SHIP})
    card = answers(page)
    card.get_by_text("The same from code").click()
    card.get_by_role("button", name="Copy Python").click()
    selected = page.evaluate("getSelection().toString()")
    assert selected.strip() == (card.locator("code").last.text_content() or "").strip()
