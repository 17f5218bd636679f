"""Take the README's screenshot: `make serve` in one terminal, `make screenshot` in another."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Send docs/ship.png through the page and keep what it shows in docs/screenshot.png."""
    port = os.environ.get("WEBUI_PORT", "5000")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        page = browser.new_page(
            viewport={"width": 1120, "height": 640}, device_scale_factor=1.5, color_scheme="light"
        )
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_label("picture").set_input_files(HERE / "ship.png")
        page.get_by_role("button", name="Classify").click()
        page.wait_for_url("**/predict")
        page.screenshot(path=HERE / "screenshot.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
