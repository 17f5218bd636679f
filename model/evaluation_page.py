"""Fills ``evaluation_page.html``: one file that asks for nothing and runs nothing but its own.

The page has the pictures inside, so it must choose: see :func:`choose_pictures`.
"""

import base64
import hashlib
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image
from torch import Tensor

from model.evaluation import Evaluation, printable, wilson_interval
from model.progress import progress

HERE = Path(__file__).resolve().parent
# More classes than this have lists instead of the matrix.
MOST_CLASSES_IN_MATRIX = 40
CONFUSIONS_LISTED = 20
CONFUSIONS_LISTED_WITHOUT_MATRIX = 100
WRONG_ANSWERS_PER_CLASS = 3
SHADES = 10
MOST_CORRECT_PICTURES = 60
MOST_WRONG_PICTURES = 100
# Of all cells together, about 3.5 MB: that is 2,800 pictures of 32×32.
MOST_PIXELS = 2_800 * 32 * 32
# At 4:4:4, as colours at half the resolution show when pixels are enlarged: 40 dB for CIFAR-10 at
# 890 bytes a picture, where WebP, which has 4:2:0 only, reaches 37 dB and PNG takes 2,260.
AVIF = {"quality": 90, "subsampling": "4:4:4", "speed": 8, "max_threads": 1}

Cell = tuple[int, int]


def write_page(file: Path, evaluation: Evaluation) -> None:
    """Write the page; raises ``OSError``."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percentage"] = format_percentage
    template = environment.get_template("evaluation_page.html")
    style, script = (
        (HERE / f"evaluation_page.{suffix}").read_text(encoding="utf-8") for suffix in ("css", "js")
    )
    page = template.render(
        style=style,
        script=script,
        style_hash=content_security_hash(style),
        script_hash=content_security_hash(script),
        **describe(evaluation),
    )
    file.write_text(page, encoding="utf-8")


def content_security_hash(text: str) -> str:
    """Return what a Content-Security-Policy allows an inline ``text`` by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def format_percentage(share: float) -> str:
    """Format a share in [0, 1] with one decimal; NaN, a share of nothing, as a dash."""
    return "–" if math.isnan(share) else f"{share:.1%}".replace("%", " %")


def describe(evaluation: Evaluation) -> dict[str, Any]:
    """Return the variables of the template."""
    has_matrix = len(evaluation.class_names) <= MOST_CLASSES_IN_MATRIX
    names = [printable(name, kept="") for name in evaluation.class_names]
    confusions = sort_confusions(evaluation)
    most = CONFUSIONS_LISTED if has_matrix else CONFUSIONS_LISTED_WITHOUT_MATRIX
    wrong_answers = choose_wrong_answers(confusions)
    shown = confusions if has_matrix else [*confusions[:most], *chain(*wrong_answers.values())]
    correct = [(index, index) for index in range(len(names))]
    return {
        "model": printable(evaluation.model, kept=""),
        "source": printable(evaluation.source, kept=""),
        "date": datetime.now(UTC).date().isoformat(),
        "accuracy": evaluation.accuracy,
        "interval": wilson_interval(evaluation.correct, len(evaluation.images)),
        "total": len(evaluation.images),
        "names": names,
        "has_matrix": has_matrix,
        "matrix": evaluation.matrix.tolist(),
        "images_by_class": evaluation.matrix.sum(axis=1).tolist(),
        "shade": shade,
        "confusions": confusions[:most],
        "confusions_in_all": len(confusions),
        "wrong_answers": wrong_answers,
        "scores": evaluation.scores,
        "data": {
            "names": names,
            "complete": has_matrix,
            "cells": describe_cells(evaluation, list(dict.fromkeys([*shown, *correct]))),
        },
    }


def sort_confusions(evaluation: Evaluation) -> list[Cell]:
    """Return the cells of wrong answers that have images, the most frequent first."""
    counts = {
        cell: len(indices)
        for cell, indices in evaluation.images_by_cell.items()
        if cell[0] != cell[1]
    }
    return sorted(counts, key=lambda cell: (-counts[cell], cell))


def choose_wrong_answers(confusions: Sequence[Cell]) -> dict[int, list[Cell]]:
    """Return the most frequent of ``confusions`` for each true class that has any."""
    by_class: dict[int, list[Cell]] = defaultdict(list)
    for cell in confusions:
        if len(by_class[cell[0]]) < WRONG_ANSWERS_PER_CLASS:
            by_class[cell[0]].append(cell)
    return by_class


def shade(count: int, images_of_class: int) -> int:
    """Return how deep a cell is shaded, from 0 for none to 10 for all images of the class.

    It grows with the root of the share, as most wrong answers are a few percent of their class.
    """
    if count == 0:
        return 0
    return max(1, round(SHADES * math.sqrt(count / images_of_class)))


def describe_cells(evaluation: Evaluation, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Describe the cells that have images, with the pictures that the page has room for."""
    filled = {
        cell: evaluation.images_by_cell[cell] for cell in cells if cell in evaluation.images_by_cell
    }
    pixels_per_picture = evaluation.images.pixels[0, 0].numel()
    chosen = choose_pictures(filled, MOST_PIXELS // pixels_per_picture)
    pictures = {
        index: encode_picture(evaluation.images.pixels[index])
        for index in progress(list(chain(*chosen.values())), "Encoding", "pictures")
    }
    confidences = evaluation.confidences.tolist()
    return [
        {
            "true": true,
            "predicted": predicted,
            "count": len(filled[true, predicted]),
            "pictures": [
                [
                    printable(evaluation.names[index], kept=""),
                    round(confidences[index], 4),
                    pictures[index],
                ]
                for index in indices
            ],
        }
        for (true, predicted), indices in chosen.items()
    ]


def choose_pictures(images_by_cell: dict[Cell, list[int]], most: int) -> dict[Cell, list[int]]:
    """Choose which pictures the page has: the first ones of every cell.

    Where they are too many, the largest cells give way first; where even one a cell is too many,
    the last cells have none.

    Args:
        images_by_cell: indices of images.
        most: of all cells together.

    Returns:
        The chosen indices by cell, for the same cells.
    """
    most_of_a_cell = MOST_WRONG_PICTURES
    while True:
        chosen = {
            cell: indices[: min(most_of_a_cell, _most_pictures(cell))]
            for cell, indices in images_by_cell.items()
        }
        if most_of_a_cell == 1 or sum(map(len, chosen.values())) <= most:
            break
        most_of_a_cell -= 1
    return {
        cell: indices if place < most or most_of_a_cell > 1 else []
        for place, (cell, indices) in enumerate(chosen.items())
    }


def _most_pictures(cell: Cell) -> int:
    return MOST_CORRECT_PICTURES if cell[0] == cell[1] else MOST_WRONG_PICTURES


def encode_picture(pixels: Tensor) -> str:
    """Encode uint8 ``(3, size, size)`` as AVIF in Base64."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(buffer, "AVIF", **AVIF)
    return base64.b64encode(buffer.getvalue()).decode()
