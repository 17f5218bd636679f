import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager
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


def test_a_name_is_drawn_as_itself_where_an_installed_font_has_its_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = [font for font in fontManager.ttflist if font.name.startswith("DejaVu")]
    monkeypatch.setattr(fontManager, "ttflist", installed)
    assert draw_bytes(tmp_path, ["猫", "b"]) == draw_bytes(tmp_path, ["犬", "b"])
    without = draw_bytes(tmp_path, ["猫", "b"])
    # The number of a class is explained.
    assert without != draw_bytes(tmp_path, ["class 0", "b"])
    fontManager.addfont(make_font(tmp_path / "font.ttf", "猫"))
    assert draw_bytes(tmp_path, ["猫", "b"]) != without
    assert draw_bytes(tmp_path, ["犬", "b"]) == without


def draw_bytes(folder: Path, class_names: list[str]) -> bytes:
    draw(folder / "figure.png", class_names)
    return (folder / "figure.png").read_bytes()


def make_font(file: Path, character: str) -> Path:
    """Make a font that has a black box for one character."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    box = pen.glyph()
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", "box"])
    font.setupCharacterMap({ord(character): "box"})
    font.setupGlyf({".notdef": box, "box": box})
    font.setupHorizontalMetrics({".notdef": (900, 0), "box": (900, 0)})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Boxes", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(file)
    return file


def test_names_of_classes_and_of_rows_of_the_report_can_be_the_same(tmp_path: Path) -> None:
    names = ["accuracy", "absent", "macro avg", "weighted avg", "micro avg"]
    labels, predictions = torch.tensor([0, 0, 0, 2, 3, 4]), torch.tensor([0, 0, 2, 2, 1, 0])
    accuracy, text = write_test_report(tmp_path, labels, predictions, names)
    report = json.loads((tmp_path / "classification_report.json").read_text())
    assert list(report["classes"]) == [names[index] for index in (0, 2, 3, 4)]
    assert report["classes"]["accuracy"]["support"] == 3
    assert report["accuracy"] == accuracy == 0.5
    # As scikit-learn's balanced_accuracy_score, which warns of the answer "absent".
    assert report["balanced accuracy"] == pytest.approx((2 / 3 + 1) / 4)
    assert report["macro avg"]["precision"] == pytest.approx((2 / 3 + 1 / 2) / 4)
    rows = [line.split() for line in text.splitlines()[-4:]]
    assert rows[:2] == [["accuracy", "0.5000", "6"], ["balanced", "accuracy", "0.4167", "6"]]
    assert len({len(line) for line in text.splitlines() if line}) == 1


def test_names_that_are_not_utf_8_are_written_as_they_are_on_disk(tmp_path: Path) -> None:
    labels = torch.tensor([0, 1])
    write_test_report(tmp_path, labels, labels, ["caf\udce9", "猫"])
    for file in ("classification_report.txt", "confusion_matrix.csv"):
        written = (tmp_path / file).read_bytes()
        assert b"caf\xe9" in written
        assert "猫".encode() in written
