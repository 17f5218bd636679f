"""The confusion matrix as a figure that is readable with two classes and with a thousand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator

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
    """Draw the matrix, with every cell shaded by its share of the row.

    With up to 25 classes the cells have counts, and with up to 100 the axes have the names of the
    classes; with more, the axes have class indices.

    Args:
        file: the ``.png`` file to write.
        matrix: int ``(C, C)``, numbers of images by true (row) and predicted (column) class index.
        class_names: names of the classes, by class index.
        images: what the images are, for the title.

    Raises:
        OSError: the file can't be written.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    sized_classes = min(len(class_names), MAX_CLASSES_WITH_COUNTS)
    side = INCHES_FOR_LABELS + INCHES_PER_CLASS * sized_classes
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    axes.set_title(f"Confusion matrix: {images}", parse_math=False)
    _label_axes(axes, class_names)
    if len(class_names) <= MAX_CLASSES_WITH_COUNTS:
        _write_counts(axes, matrix, shares)
    figure.savefig(file, dpi=DOTS_PER_INCH)


def _label_axes(axes: Axes, class_names: Sequence[str]) -> None:
    count = len(class_names)
    if count > MAX_CLASSES_WITH_NAMES:
        axes.set(xlabel="predicted class, by index", ylabel="true class, by index")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        return
    axes.set(xlabel="predicted class", ylabel="true class")
    names = _drawable_names(class_names)
    if count > MAX_CLASSES_WITH_COUNTS:
        axes.set_xticks(range(count), names, rotation=90)
    else:
        axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), names)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontsize(7 if count > MAX_CLASSES_WITH_COUNTS else 10)
        # A $ in a name does not begin a formula.
        label.set_parse_math(False)


def _write_counts(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if shares[row, column] > MID_GREY else "black"
        text = axes.text(column, row, f"{count}", ha="center", va="center", color=colour)
        text.set_fontsize(9)
        # The layout would measure every text, which takes time.
        text.set_in_layout(False)


def _drawable_names(class_names: Sequence[str]) -> list[str]:
    """Shorten long names, and use the index where the font lacks a character of the name."""
    characters = get_font(findfont(FontProperties())).get_charmap()
    names = []
    for index, name in enumerate(class_names):
        if all(ord(character) in characters for character in name):
            names.append(name if len(name) <= MAX_NAME_LENGTH else f"{name[:12]}…{name[-11:]}")
        else:
            names.append(f"class {index}")
    return names
