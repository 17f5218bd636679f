import base64
import hashlib
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from model.evaluation.page import choose_pictures, encode_picture, shade, write_page
from tests.helpers.evaluations import make_evaluation
from tests.helpers.pictures import make_gradient


def page_of(
    directory: Path, class_names: Sequence[str], answers: Sequence[tuple[int, int, float]]
) -> str:
    write_page(directory / "page.html", make_evaluation(class_names, answers))
    return (directory / "page.html").read_text(encoding="utf-8")


def data_in(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_policy_allows_the_pages_own_style_and_script_alone(tmp_path: Path) -> None:
    page = page_of(tmp_path, ["cat", "dog"], [(0, 1, 0.5), (1, 1, 0.6)])
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert "unsafe" not in policy[1]
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        inline = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert inline
        digest = base64.b64encode(hashlib.sha256(inline[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]


def test_the_page_states_accuracy_interval_images_source_and_date(tmp_path: Path) -> None:
    page = page_of(tmp_path, ["cat", "dog"], [(0, 0, 0.5)] * 81 + [(0, 1, 0.5)] * 182)
    for fact in (
        "weather 3.1",
        "30.8 %",
        "25.5 % to 36.6 %",
        "263",
        "folder pictures",
        "Macro average",
    ):
        assert fact in page
    assert re.search(r'<time datetime="\d{4}-\d\d-\d\d">', page)


def test_forty_classes_have_the_matrix_and_more_have_lists(tmp_path: Path) -> None:
    answers = [(index % 40, index * 7 % 40, 0.5) for index in range(300)]
    matrix = page_of(tmp_path, [f"class {index}" for index in range(40)], answers)
    lists = page_of(tmp_path, [f"class {index}" for index in range(41)], answers)
    assert matrix.count('class="cell ') == 1600
    assert 'class="cell ' not in lists
    assert 'href="#confusions"' in lists
    assert "Most frequent confusions" in lists


def test_without_a_matrix_every_number_has_its_pictures(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pairs = generator.integers(0, 41, (600, 2)).tolist()
    names = [f"class {index}" for index in range(41)]
    page = page_of(tmp_path, names, [(true, predicted, 0.5) for true, predicted in pairs])
    numbers = re.findall(r'shade-[1-9]\d*" data-true="(\d+)" data-predicted="(\d+)"', page)
    cells = {(cell["true"], cell["predicted"]): cell for cell in data_in(page)["cells"]}
    assert {(int(true), int(predicted)) for true, predicted in numbers} == set(cells)
    for (true, predicted), cell in cells.items():
        assert cell["count"] == pairs.count([true, predicted])
        assert len(cell["pictures"]) == cell["count"]


def test_a_page_of_a_thousand_classes_stays_small(tmp_path: Path) -> None:
    answers = [(index % 1000, index * 7 % 1000, 0.5) for index in range(5000)]
    page = page_of(tmp_path, [f"class {index}" for index in range(1000)], answers)
    pictures = sum(len(cell["pictures"]) for cell in data_in(page)["cells"])
    assert 0 < pictures <= 2800
    assert len(page) < 4_000_000


def test_too_many_pictures_are_taken_from_the_largest_cells_first() -> None:
    cells = {(0, 1): list(range(90)), (1, 0): list(range(3)), (2, 0): list(range(50))}
    chosen = choose_pictures(cells, 43)
    assert chosen == {(0, 1): list(range(20)), (1, 0): [0, 1, 2], (2, 0): list(range(20))}
    assert [len(indices) for indices in choose_pictures(cells, 2).values()] == [1, 1, 0]
    assert choose_pictures(cells, 1000) == cells


def test_a_picture_looks_the_same_as_before() -> None:
    image = make_gradient().resize((32, 32))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    with Image.open(io.BytesIO(base64.b64decode(encode_picture(pixels)))) as decoded:
        difference = np.asarray(decoded.convert("RGB")).astype(int) - np.asarray(image)
    assert np.abs(difference).max() <= 12
    assert np.abs(difference).mean() < 2


def test_every_cell_with_images_is_shaded_and_more_of_them_deeper() -> None:
    shades = [shade(count, 1000) for count in (0, 1, 30, 150, 600, 1000)]
    assert shades == sorted(set(shades))
    assert (shades[0], shades[1], shades[-1]) == (0, 1, 10)
    assert shade(0, 0) == 0
