from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.evaluation.confusion_figure import draw_confusion_matrix
from model.evaluation.report import write_test_report

MOST_PIXELS = 3000


def draw(file: Path, class_names: list[str]) -> tuple[int, int]:
    matrix = np.eye(len(class_names), dtype=np.int64) * 7
    draw_confusion_matrix(file, matrix, class_names, "test images")
    with Image.open(file) as image:
        return image.size


@pytest.mark.parametrize("classes", [2, 25, 26, 101, 1000])
def test_any_number_of_classes_makes_a_figure_of_bounded_size(tmp_path: Path, classes: int) -> None:
    size = draw(tmp_path / "figure.png", [f"class {index}" for index in range(classes)])
    assert 400 < max(size) <= MOST_PIXELS


def test_any_name_of_a_class_can_be_drawn(tmp_path: Path) -> None:
    """A warning, as matplotlib gives for letters that its font lacks, would fail the test."""
    names = ["猫", "Ёж", "قطة", "$x^{$", "two\nlines", "bytes \udcff", "", "🐈", "long " * 50]
    assert max(draw(tmp_path / "figure.png", names)) <= MOST_PIXELS


def test_names_that_are_not_utf_8_are_written_as_they_are_on_disk(tmp_path: Path) -> None:
    labels = torch.tensor([0, 1])
    write_test_report(tmp_path, labels, labels, ["caf\udce9", "猫"])
    for file in ("classification_report.txt", "confusion_matrix.csv"):
        written = (tmp_path / file).read_bytes()
        assert b"caf\xe9" in written
        assert "猫".encode() in written
