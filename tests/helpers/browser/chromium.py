"""Finds the system's Chromium; ``python -m tests.helpers.browser.chromium`` prints where it is."""

import shutil
import sys
from typing import Any

NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# Options without which Chromium would ask its maker for updates and the like.
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")


def find_chromium() -> str | None:
    """Return the path of Chromium or Chrome; None where neither is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch_options() -> dict[str, Any]:
    """Return what ``playwright.chromium.launch`` takes."""
    return {"executable_path": find_chromium(), "args": [*QUIET, "--disable-gpu"]}


if __name__ == "__main__":
    found = find_chromium()
    print(found)
    sys.exit(found is None)
