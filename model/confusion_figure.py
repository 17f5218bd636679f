"""The confusion matrix as a figure that stays readable from two classes to a thousand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator

DOTS_PER_INCH = 150
MID_GREY = 0.5
INCHES_PER_CLASS = 0.6
INCHES_FOR_LABELS = 2.5
# More classes than this share the same space, so that no figure has more than 2,625 pixels a side.
MOST_CLASSES_WITH_COUNTS = 25
MOST_CLASSES_WITH_NAMES = 100
LONGEST_NAME = 24


def draw_confusion_matrix(
    file: Path, matrix: np.ndarray, class_names: Sequence[str], images: str
) -> None:
    """Draw the matrix, every cell shaded by its share of the row.

    Up to 25 classes have their counts in the cells, up to 100 their names at the axes; of more,
    the axes tell the class index.

    Args:
        file: where to, a ``.png``.
        matrix: int ``(C, C)``, images by true and predicted class index.
        class_names: by class index.
        images: which ones they are, for the title.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    roomy = min(len(class_names), MOST_CLASSES_WITH_COUNTS)
    side = INCHES_FOR_LABELS + INCHES_PER_CLASS * roomy
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    axes.set_title(f"Confusion matrix: {images}", parse_math=False)
    _label_axes(axes, class_names)
    if len(class_names) <= MOST_CLASSES_WITH_COUNTS:
        _write_counts(axes, matrix, shares)
    figure.savefig(file, dpi=DOTS_PER_INCH)


def _label_axes(axes: Axes, class_names: Sequence[str]) -> None:
    count = len(class_names)
    if count > MOST_CLASSES_WITH_NAMES:
        axes.set(xlabel="predicted class, by index", ylabel="true class, by index")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        return
    axes.set(xlabel="predicted class", ylabel="true class")
    names = _drawable_names(class_names)
    if count > MOST_CLASSES_WITH_COUNTS:
        axes.set_xticks(range(count), names, rotation=90)
    else:
        axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), names)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontsize(7 if count > MOST_CLASSES_WITH_COUNTS else 10)
        # A $ in a name is no formula.
        label.set_parse_math(False)


def _write_counts(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if shares[row, column] > MID_GREY else "black"
        text = axes.text(column, row, f"{count}", ha="center", va="center", color=colour)
        text.set_fontsize(9)
        # Every text that the layout asks for its size costs time.
        text.set_in_layout(False)


def _drawable_names(class_names: Sequence[str]) -> list[str]:
    """Shorten long names, and give the index for those with letters that the font lacks."""
    letters = get_font(findfont(FontProperties())).get_charmap()
    names = []
    for index, name in enumerate(class_names):
        if all(ord(letter) in letters for letter in name):
            names.append(name if len(name) <= LONGEST_NAME else f"{name[:12]}…{name[-11:]}")
        else:
            names.append(f"class {index}")
    return names
