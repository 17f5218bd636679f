"""What can be measured of a page: what is cut off, what stands out, what the Tab key reaches."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import FloatRect, Page, ViewportSize

# Difference, of 255, below which two colours count as the same: shadows and smooth edges.
NOTICEABLE = 24
# Widths and heights of a window of 1280 px at a zoom of 400 %, phones, a tablet, and screens up to
# 4K.
SIZES = {320: 256, 390: 844, 768: 1024, 1280: 900, 1920: 1080, 3840: 2160}

FIND_CUT_OFF = """() => {
    const found = [];
    const {scrollWidth, clientWidth} = document.documentElement;
    if (scrollWidth > clientWidth) found.push(`the page is ${scrollWidth} px wide`);
    const isShown = (element) =>
        element.checkVisibility({opacityProperty: true, visibilityProperty: true})
        && !element.closest(".visually-hidden, .skip, .more caption, [aria-hidden]");
    const boxes = ".card, .recent-answer, button, .button, pre, .picker, .banner";
    const say = (element, what) => found.push(`${what}: ${element.outerHTML.slice(0, 120)}`);
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || !isShown(element)) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const text = range.getBoundingClientRect();
        for (let box = element; box; box = box.parentElement) {
            // A long name is cut off on purpose; it is whole in the title.
            if (box.matches(".filename[title]")) break;
            const {overflowX, overflowY} = getComputedStyle(box);
            const isBox = box.matches(boxes);
            const {left, right, top, bottom} = box.getBoundingClientRect();
            const hidesX = overflowX !== "visible" || isBox;
            const hidesY = overflowY === "hidden" || overflowY === "clip" || isBox;
            const isTooWide = text.left < left - 1 || text.right > right + 1;
            const isTooHigh = text.top < top - 3 || text.bottom > bottom + 3;
            if (hidesX && isTooWide) say(element, "too wide");
            if (hidesY && isTooHigh && !box.matches("dialog")) say(element, "too high");
        }
    }
    for (const element of document.body.querySelectorAll("*")) {
        if (!isShown(element)) continue;
        const {left, right, width} = element.getBoundingClientRect();
        if (width > 0 && (left < -1 || right > clientWidth + 1)) say(element, "beyond the window");
    }
    return found;
}"""

LIST_OVERLAPS = """() => {
    const cells = [...document.querySelectorAll(".ranking tbody :is(th, td)")]
        .filter((cell) => cell.checkVisibility());
    return cells.filter((cell) => {
        const next = cell.nextElementSibling;
        const range = document.createRange();
        range.selectNodeContents(cell);
        return next && range.getBoundingClientRect().right > next.getBoundingClientRect().left + 1;
    }).map((cell) => cell.textContent);
}"""

READ_COLOURS = """(parts) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    return parts.map(([selector, property]) => {
        canvas.fillStyle = getComputedStyle(document.querySelector(selector))[property];
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    });
}"""

# Of radio buttons, the Tab key reaches the chosen one.
LIST_STOPS = """() => [
        ...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]"),
    ]
    .filter((element) => element.checkVisibility() && !element.disabled && element.tabIndex >= 0)
    .filter((element) => element.type !== "radio" || element.checked)
    .map((element) => element.outerHTML.slice(0, 100))"""


def list_stops(page: Page) -> list[str]:
    """Return the beginning of each element that the Tab key must reach, in order."""
    stops: list[str] = page.evaluate(LIST_STOPS)
    return stops


def find_cut_off(page: Page) -> list[str]:
    """Return what reaches beyond the window or its own box, or over what is beside it."""
    found: list[str] = page.evaluate(FIND_CUT_OFF) + page.evaluate(LIST_OVERLAPS)
    return found


def find_cut_off_in_all_windows(page: Page) -> list[str]:
    """Return the same for windows of every size."""
    found = []
    for width, height in SIZES.items():
        page.set_viewport_size(ViewportSize(width=width, height=height))
        found += [f"{width} px: {each}" for each in find_cut_off(page)]
    return found


def screenshot(page: Page, clip: FloatRect) -> Any:
    """Return a part of the window as an array of `(height, width, 3)`, uint8."""
    image = Image.open(BytesIO(page.screenshot(clip=clip, animations="disabled")))
    return np.asarray(image.convert("RGB"))


def read_colours(page: Page, *properties: tuple[str, str]) -> Any:
    """Return colours, `(…, 3)` from 0 to 255, by the selector of an element and the property."""
    return page.evaluate(READ_COLOURS, properties)


def luminance(colours: Any) -> Any:
    """Return WCAG's relative luminance, from 0 to 1, of colours `(…, 3)` from 0 to 255."""
    shares = np.asarray(colours) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one: Any, other: Any) -> Any:
    """Return WCAG's contrast, from 1 to 21, of colours `(…, 3)` from 0 to 255."""
    pair = np.stack([luminance(one), luminance(other)])
    return (pair.max(0) + 0.05) / (pair.min(0) + 0.05)


def count_standing_out(before: Any, after: Any, least_contrast: float) -> int:
    """Return how many pixels have changed so much that everyone sees it."""
    changed = np.abs(before.astype(int) - after).max(-1) > NOTICEABLE
    return int((changed & (contrast(before, after) >= least_contrast)).sum())
