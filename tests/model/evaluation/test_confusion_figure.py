import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.font_manager import fontManager
from PIL import Image

from model.evaluation.confusion_figure import draw_confusion_matrix
from model.evaluation.report import write_test_report
from tests.helpers.evaluations import make_evaluation

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


def test_a_name_is_drawn_as_itself_where_a_font_has_its_letters_and_its_number_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw_letter(name: str) -> bytes:
        draw(tmp_path / "figure.png", [name, "b"])
        return (tmp_path / "figure.png").read_bytes()

    # matplotlib brings DejaVu, which lacks this letter, and STIX, which has it.
    shown = draw_letter("ᶁ")
    fonts = [font for font in fontManager.ttflist if font.name.startswith("DejaVu")]
    monkeypatch.setattr(fontManager, "ttflist", fonts)
    assert len({shown, draw_letter("ᶁ"), draw_letter("class 0")}) == 3


def test_names_of_classes_and_of_rows_of_the_report_can_be_the_same(tmp_path: Path) -> None:
    names = ["accuracy", "absent", "macro avg", "weighted avg", "micro avg"]
    answers = [(0, 0), (0, 0), (0, 2), (2, 2), (3, 1), (4, 0)]
    evaluation = make_evaluation(names, [(*answer, 0.5) for answer in answers])
    text = write_test_report(tmp_path, evaluation)
    report = json.loads((tmp_path / "classification_report.json").read_text())
    assert list(report["classes"]) == [names[index] for index in (0, 2, 3, 4)]
    assert report["classes"]["accuracy"]["support"] == 3
    assert report["accuracy"] == evaluation.accuracy == 0.5
    # As scikit-learn's balanced_accuracy_score, which warns of the answer "absent".
    assert report["balanced accuracy"] == pytest.approx((2 / 3 + 1) / 4)
    assert report["macro avg"]["precision"] == pytest.approx((2 / 3 + 1 / 2) / 4)
    rows = [line.split() for line in text.splitlines()[-4:]]
    assert rows[:2] == [["accuracy", "0.5000", "6"], ["balanced", "accuracy", "0.4167", "6"]]
    assert len({len(line) for line in text.splitlines() if line}) == 1
