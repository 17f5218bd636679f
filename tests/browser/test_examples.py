"""The pictures of the archive, which visitors can try."""

import base64
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import OpenWebUI
from tests.helpers.browser.start_page import cards
from tests.helpers.fake_torchserve import CARD, running_fake_torchserve
from tests.helpers.pictures import encode


def test_an_example_is_answered_as_a_picture_that_was_chosen(
    open_web_ui: OpenWebUI, tmp_path: Path
) -> None:
    moth, owl = (
        encode(Image.new("RGB", (160, 120), colour), "WEBP") for colour in ("teal", "plum")
    )
    with running_fake_torchserve(tmp_path) as fake:
        fake.card = {
            **CARD,
            "examples": [
                {"name": name, "webp": base64.b64encode(content).decode()}
                for name, content in (("moth", moth), ("owl", owl))
            ],
        }
        page = open_web_ui(fake.settings)
        examples = page.get_by_role("region", name="Or try one of these").get_by_role("button")
        expect(examples).to_have_count(2)
        examples.first.focus()
        for content, name in ((moth, "moth"), (owl, "owl")):
            # Whoever uses the keyboard goes on to the next one.
            expect(page.get_by_role("button", name=name)).to_be_focused()
            page.keyboard.press("Enter")
            expect(cards(page).locator(".filename")).to_have_text(f"{name}.webp")
            expect(cards(page).locator(".label")).to_have_text("zebra")
            assert fake.images[-1] == content
            page.keyboard.press("Tab")
