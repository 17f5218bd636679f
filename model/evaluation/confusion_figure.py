"""The confusion matrix as a figure that is readable with two classes and with a thousand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

DOTS_PER_INCH = 150
# Share of a row above which a cell is so dark that its count is written in white.
MID_GREY = 0.5
# Lengths of the figure's sides.
INCHES_PER_CLASS = 0.6
INCHES_FOR_LABELS = 2.5
# Largest number of classes whose counts are written. More classes share the space of these, so no
# figure has more than 2,625 pixels a side.
MAX_CLASSES_WITH_COUNTS = 25
# Largest number of classes whose names are written.
MAX_CLASSES_WITH_NAMES = 100
# Largest number of characters of a name that is written in full.
MAX_NAME_LENGTH = 24


def draw_confusion_matrix(
    file: Path, matrix: np.ndarray, class_names: Sequence[str], images: str
) -> None:
    """Draw the int ``(C, C)`` matrix, with every cell shaded by its share of the row.

    With up to 25 classes the cells have counts, and with up to 100 the axes have the names of the
    classes; with more, and for names that no font has the letters of, they have class indices. The
    title says what the ``images`` are.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    sized_classes = min(len(class_names), MAX_CLASSES_WITH_COUNTS)
    side = INCHES_FOR_LABELS + INCHES_PER_CLASS * sized_classes
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    axes.set_title(f"Confusion matrix: {images}", parse_math=False)
    if not _label_axes(axes, class_names):
        note = f"The number of a class is its row in {file.stem}.csv, from 0."
        figure.supxlabel(note, fontsize=7)
    if len(class_names) <= MAX_CLASSES_WITH_COUNTS:
        _write_counts(axes, matrix, shares)
    figure.savefig(file, dpi=DOTS_PER_INCH)


def _label_axes(axes: Axes, class_names: Sequence[str]) -> bool:
    """Label the axes, and return whether they have the names of all classes."""
    count = len(class_names)
    if count > MAX_CLASSES_WITH_NAMES:
        axes.set(xlabel="predicted class, by number", ylabel="true class, by number")
        return False
    axes.set(xlabel="predicted class", ylabel="true class")
    families, missing = _choose_fonts(set("".join(class_names)))
    names = [
        f"class {index}" if missing & set(name) else _shorten(name)
        for index, name in enumerate(class_names)
    ]
    is_narrow = count > MAX_CLASSES_WITH_COUNTS
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    # A $ in a name does not begin a formula.
    style: dict[str, Any] = {"fontfamily": families, "parse_math": False}
    style["fontsize"] = 7 if is_narrow else 10
    axes.set_xticks(range(count), names, **{"rotation": 90} if is_narrow else slanted, **style)
    axes.set_yticks(range(count), names, **style)
    return not missing


def _write_counts(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    # The layout would measure every text, which takes time.
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9, "in_layout": False}
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if shares[row, column] > MID_GREY else "black"
        axes.text(column, row, f"{count}", style, color=colour)


def _choose_fonts(characters: set[str]) -> tuple[list[str], set[str]]:
    """Choose installed fonts, the default one first, until all characters are found.

    Returns:
        The families of the fonts, and the characters that no font has.
    """
    chosen, missing = dict.fromkeys(FontProperties().get_family()), characters
    # matplotlib logs a warning for a family without a regular font.
    regular = {
        font.name for font in fontManager.ttflist if (font.style, font.weight) == ("normal", 400)
    }
    for family in [*chosen, *sorted(regular)]:
        font = get_font(findfont(FontProperties(family=[family])))
        found = {character for character in missing if font.get_char_index(ord(character))}
        # The last resort, which matplotlib and macOS bring, has a box for every character.
        if found and not family.strip(".").replace(" ", "").startswith("LastResort"):
            chosen[family] = None
            missing = missing - found
        if not missing:
            break
    return list(chosen), missing


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[:12]}…{name[-11:]}"
