"""The page of an evaluation: a single file that loads nothing and runs only its own script.

The file contains the pictures, so it has room for only some: see :func:`choose_pictures`.
"""

import base64
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image
from torch import Tensor

from model.command_line import format_percentage, progress, visible
from model.evaluation.scores import Evaluation

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
# Largest number of pictures of a cell.
MAX_PICTURES = 100
# Largest number of pixels of all pictures: those of 2,800 pictures of 32×32, about 3.5 MB.
MAX_PIXELS = 2_800 * 32 * 32
# Settings of the encoder. With colours at half the resolution, enlarged pixels would look wrong, so
# it is 4:4:4: 40 dB for CIFAR-10 at 890 bytes a picture. WebP has 4:2:0 only and reaches 37 dB, and
# PNG takes 2,260 bytes.
AVIF = {"quality": 90, "subsampling": "4:4:4", "speed": 8, "max_threads": 1}

# A true and a predicted class index.
Cell = tuple[int, int]


def write_page(file: Path, evaluation: Evaluation) -> None:
    """Write the page that shows ``evaluation``; raises ``OSError`` where it can't be written."""
    variables = template_variables(evaluation)
    page = render_page("page.html", ["page.css", "tables.css"], "page.js", **variables)
    file.write_text(page, encoding="utf-8")


def render_page(
    template: str, styles: Sequence[str], script: str | None = None, **variables: object
) -> str:
    """Fill a template into which the ``styles`` and the ``script``, files beside it, go."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(percentage=format_percentage, visible=visible)
    parts = {
        "style": "".join((HERE / name).read_text("utf-8") for name in styles),
        "script": (HERE / script).read_text("utf-8") if script else "",
    }
    # By the hash, a Content-Security-Policy allows an inline style or script.
    hashes = {
        f"{name}_hash": "sha256-" + base64.b64encode(sha256(part.encode()).digest()).decode()
        for name, part in parts.items()
    }
    variables["date"] = datetime.now(UTC).date()
    return environment.get_template(template).render(parts, **hashes, **variables)


def template_variables(evaluation: Evaluation) -> dict[str, Any]:
    """Return the variables of the template by name."""
    has_matrix = len(evaluation.images.class_names) <= MAX_CLASSES_IN_MATRIX
    names = [visible(name) for name in evaluation.images.class_names]
    images = evaluation.images_by_cell
    wrong = [cell for cell in images if cell[0] != cell[1]]
    confusions = sorted(wrong, key=lambda cell: (-len(images[cell]), cell))
    listed = confusions[: CONFUSIONS_LISTED if has_matrix else CONFUSIONS_LISTED_WITHOUT_MATRIX]
    wrong_answers: dict[int, list[Cell]] = defaultdict(list)
    for cell in confusions:
        if len(wrong_answers[cell[0]]) < WRONG_ANSWERS_PER_CLASS:
            wrong_answers[cell[0]].append(cell)
    shown = confusions if has_matrix else [*listed, *chain(*wrong_answers.values())]
    correct = [(index, index) for index in range(len(names))]
    return {
        "evaluation": evaluation,
        "names": names,
        "has_matrix": has_matrix,
        "matrix": evaluation.matrix.tolist(),
        "images_by_class": evaluation.matrix.sum(axis=1).tolist(),
        "shade": shade,
        "confusions": listed,
        "confusions_in_all": len(confusions),
        "wrong_answers": wrong_answers,
        "data": {
            "names": names,
            "complete": has_matrix,
            "cells": describe_cells(evaluation, list(dict.fromkeys([*shown, *correct]))),
        },
    }


def shade(count: int, images_of_class: int) -> int:
    """Return the shade of a cell of ``count`` images, from 0 for none to 10 for the whole class.

    It grows with the root of the share, as most wrong answers are a few percent of their class.
    """
    return max(1, round(SHADES * math.sqrt(count / images_of_class))) if count else 0


def describe_cells(evaluation: Evaluation, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Describe the cells that have images, with the pictures that the page has room for."""
    images, names = evaluation.images_by_cell, evaluation.images.names
    filled = {cell: images[cell] for cell in cells if cell in images}
    pixels_per_picture = math.prod(evaluation.images.store.shape[2:])
    chosen = choose_pictures(filled, MAX_PIXELS // pixels_per_picture)

    def describe(index: int) -> list[object]:
        pixels = evaluation.images.subset(torch.tensor([index])).pixels[0]
        confidence = round(float(evaluation.confidences[index]), 4)
        return [visible(names[index]), confidence, encode_picture(pixels)]

    return [
        {
            "true": cell[0],
            "predicted": cell[1],
            "count": len(filled[cell]),
            "pictures": list(map(describe, chosen[cell])),
        }
        for cell in progress(list(chosen), "Encoding", "cells")
    ]


def choose_pictures(images_by_cell: dict[Cell, list[int]], most: int) -> dict[Cell, list[int]]:
    """Choose the first pictures of every cell, and at most ``most`` in all.

    Where these are too many, the largest cells are cut first; where one of each cell is too many,
    the last cells have none.
    """
    for each in range(MAX_PICTURES, 0, -1):
        chosen = {cell: indices[:each] for cell, indices in images_by_cell.items()}
        if sum(map(len, chosen.values())) <= most:
            return chosen
    return {cell: chosen[cell] if place < most else [] for place, cell in enumerate(chosen)}


def encode_picture(pixels: Tensor) -> str:
    """Encode a picture, uint8 ``(3, size, size)``, as AVIF in Base64."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(buffer, "AVIF", **AVIF)
    return base64.b64encode(buffer.getvalue()).decode()
