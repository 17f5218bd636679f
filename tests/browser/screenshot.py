"""Takes the README's screenshot: `make serve` in one terminal, `make screenshot` in another."""

import os
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.chromium import launch_options

DOCS = Path(__file__).resolve().parents[2] / "docs"


def main() -> None:
    """Send docs/ship.png through the page and keep what it shows in docs/screenshot.png."""
    port = os.environ.get("WEBUI_PORT", "5000")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page(
            viewport={"width": 1120, "height": 640}, device_scale_factor=1.5, color_scheme="light"
        )
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_label("picture").set_input_files(DOCS / "ship.png")
        page.get_by_role("button", name="Classify").click()
        page.wait_for_url("**/predict")
        page.screenshot(path=DOCS / "screenshot.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
