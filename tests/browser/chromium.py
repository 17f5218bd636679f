"""Finds the system's Chromium; `python -m tests.browser.chromium` prints where it is."""

import shutil
import sys
from typing import Any

NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# Chromium would ask services of its maker for this and that.
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch_options() -> dict[str, Any]:
    """What `playwright.chromium.launch` takes."""
    return {"executable_path": find_chromium(), "args": [*QUIET, "--disable-gpu"]}


if __name__ == "__main__":
    found = find_chromium()
    print(found)
    sys.exit(found is None)
