"""The code beside each answer: copied with its button, and run as it is."""

import ast
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser.start_page import PICTURES, SHIP, answers, classify, labels

NAMES = ["ship.png", "my 'best' ship, 50%; \"north\" $HOME `x`.png", "Schiff – ü.png"]
# The command that runs each snippet, and the function that reads its answer.
COMMANDS: dict[str, tuple[list[str], Callable[[str], Any]]] = {
    "curl": (["sh", "-c"], json.loads),
    "Python": ([sys.executable, "-c"], ast.literal_eval),
}


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


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("name", NAMES, ids=["plain", "hostile", "foreign"])
def test_what_is_copied_works_as_it_is(page: Page, tmp_path: Path, name: str) -> None:
    classify(page, {name: SHIP})
    (tmp_path / name).write_bytes(SHIP)
    (label,) = labels(page)
    for language, (command, read) in COMMANDS.items():
        ran = subprocess.run(
            [*command, copy(page, language)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert read(ran.stdout)["label"] == label


def test_each_answer_has_the_code_for_its_own_file(page: Page) -> None:
    classify(page, PICTURES)
    snippets = answers(page).locator(".snippet", has_text="curl").locator("code")
    for name, code in zip(PICTURES, snippets.all_text_contents(), strict=True):
        assert f"image=@{name}" in shlex.split(code)


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
