"""The page of an evaluation: a single file that loads nothing and runs only its own script.

The file contains the pictures, so it has room for only some: see :func:`choose_pictures`.
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

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image
from torch import Tensor

from model.command_line import progress, visible
from model.evaluation.scores import Evaluation, wilson_interval

HERE = Path(__file__).resolve().parent
# Largest number of classes that are shown as a matrix; more are shown as lists.
MAX_CLASSES_IN_MATRIX = 40
# Numbers of confusions that are listed beside the matrix and without it.
CONFUSIONS_LISTED = 20
CONFUSIONS_LISTED_WITHOUT_MATRIX = 100
# Number of wrong answers that are listed for each class.
WRONG_ANSWERS_PER_CLASS = 3
# Number of the deepest shade of a cell.
SHADES = 10
# Largest numbers of pictures of a cell on the diagonal and off it.
MAX_CORRECT_PICTURES = 60
MAX_WRONG_PICTURES = 100
# Largest number of pixels of all pictures: those of 2,800 pictures of 32×32, about 3.5 MB.
MAX_PIXELS = 2_800 * 32 * 32
# Settings of the encoder. With colours at half the resolution, enlarged pixels would look wrong, so
# it is 4:4:4: 40 dB for CIFAR-10 at 890 bytes a picture. WebP has 4:2:0 only and reaches 37 dB, and
# PNG takes 2,260 bytes.
AVIF = {"quality": 90, "subsampling": "4:4:4", "speed": 8, "max_threads": 1}

# A true and a predicted class index.
Cell = tuple[int, int]


def write_page(file: Path, evaluation: Evaluation) -> None:
    """Write the page that shows ``evaluation``.

    Raises:
        OSError: the file can't be written.
    """
    variables = template_variables(evaluation)
    page = render_page("page.html", ["page.css", "tables.css"], read_part("page.js"), **variables)
    file.write_text(page, encoding="utf-8")


def render_page(template: str, styles: Sequence[str], script: str = "", **variables: object) -> str:
    """Fill a template; this and the ``styles``, which it gets as one, are files beside this one."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percentage"] = format_percentage
    style = "".join(map(read_part, styles))
    return environment.get_template(template).render(
        style=style,
        script=script,
        style_hash=content_security_hash(style),
        script_hash=content_security_hash(script),
        date=datetime.now(UTC).date().isoformat(),
        **variables,
    )


def read_part(name: str) -> str:
    """Read a file beside this one that goes into the page."""
    return (HERE / name).read_text(encoding="utf-8")


def content_security_hash(text: str) -> str:
    """Return the hash by which a Content-Security-Policy allows an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def format_percentage(share: float) -> str:
    """Format a share in [0, 1] as a percentage with one decimal, and NaN as a dash."""
    return "–" if math.isnan(share) else f"{share:.1%}".replace("%", " %")


def template_variables(evaluation: Evaluation) -> dict[str, Any]:
    """Return the variables of the template by name."""
    has_matrix = len(evaluation.class_names) <= MAX_CLASSES_IN_MATRIX
    names = [visible(name) for name in evaluation.class_names]
    confusions = sort_confusions(evaluation)
    listed = confusions[: CONFUSIONS_LISTED if has_matrix else CONFUSIONS_LISTED_WITHOUT_MATRIX]
    wrong_answers = choose_wrong_answers(confusions)
    shown = confusions if has_matrix else [*listed, *chain(*wrong_answers.values())]
    correct = [(index, index) for index in range(len(names))]
    return {
        "model": visible(evaluation.model),
        "source": visible(evaluation.source),
        "accuracy": evaluation.accuracy,
        "interval": wilson_interval(evaluation.correct, len(evaluation.images)),
        "total": len(evaluation.images),
        "correct": evaluation.correct,
        "names": names,
        "has_matrix": has_matrix,
        "matrix": evaluation.matrix.tolist(),
        "images_by_class": evaluation.matrix.sum(axis=1).tolist(),
        "shade": shade,
        "confusions": listed,
        "confusions_in_all": len(confusions),
        "wrong_answers": wrong_answers,
        "scores": evaluation.scores,
        "macro_average": evaluation.macro_average,
        "data": {
            "names": names,
            "complete": has_matrix,
            "cells": describe_cells(evaluation, list(dict.fromkeys([*shown, *correct]))),
        },
    }


def sort_confusions(evaluation: Evaluation) -> list[Cell]:
    """Return the cells of wrong answers that have images, with the most frequent first."""
    images = evaluation.images_by_cell
    wrong = [cell for cell in images if cell[0] != cell[1]]
    return sorted(wrong, key=lambda cell: (-len(images[cell]), cell))


def choose_wrong_answers(confusions: Sequence[Cell]) -> dict[int, list[Cell]]:
    """Return the first of the sorted ``confusions`` for each true class that has any."""
    by_class: dict[int, list[Cell]] = defaultdict(list)
    for cell in confusions:
        if len(by_class[cell[0]]) < WRONG_ANSWERS_PER_CLASS:
            by_class[cell[0]].append(cell)
    return by_class


def shade(count: int, images_of_class: int) -> int:
    """Return the shade of a cell of ``count`` images, from 0 for none to 10 for the whole class.

    The shade grows with the square root of the share, because most wrong answers are only a few
    percent of their class.
    """
    if count == 0:
        return 0
    return max(1, round(SHADES * math.sqrt(count / images_of_class)))


def describe_cells(evaluation: Evaluation, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Describe the cells that have images, with the pictures that the page has room for."""
    filled = {
        cell: evaluation.images_by_cell[cell] for cell in cells if cell in evaluation.images_by_cell
    }
    pixels_per_picture = math.prod(evaluation.images.store.shape[2:])
    chosen = choose_pictures(filled, MAX_PIXELS // pixels_per_picture)
    pictures = {
        index: encode_picture(evaluation.images.subset(torch.tensor([index])).pixels[0])
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
                    visible(evaluation.names[index]),
                    round(confidences[index], 4),
                    pictures[index],
                ]
                for index in indices
            ],
        }
        for (true, predicted), indices in chosen.items()
    ]


def choose_pictures(images_by_cell: dict[Cell, list[int]], most: int) -> dict[Cell, list[int]]:
    """Choose the pictures that the page contains: the first ones of every cell.

    Where these are too many, the largest cells are cut first; where one of each cell is too many,
    the last cells have none.

    Args:
        images_by_cell: indices of images, by cell.
        most: maximum number of pictures in all cells together.

    Returns:
        The chosen indices, for the same cells.
    """
    for wrong in range(MAX_WRONG_PICTURES, 0, -1):
        correct = min(wrong, MAX_CORRECT_PICTURES)
        chosen = {
            (true, predicted): indices[: correct if true == predicted else wrong]
            for (true, predicted), indices in images_by_cell.items()
        }
        if sum(map(len, chosen.values())) <= most:
            return chosen
    return {cell: chosen[cell] if place < most else [] for place, cell in enumerate(chosen)}


def encode_picture(pixels: Tensor) -> str:
    """Encode a picture, uint8 ``(3, size, size)``, as AVIF in Base64."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(buffer, "AVIF", **AVIF)
    return base64.b64encode(buffer.getvalue()).decode()
