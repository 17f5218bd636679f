"""The learning curve from end to end, on two classes that are easily told apart."""

from pathlib import Path

import pytest
from PIL import Image

from model.inference.card import ModelCard
from model.learning_curve import extrapolate, main

QUICK = ["--from-scratch", "--epochs", "1", "--batch-size", "4", "--validation-images", "4"]


def test_three_runs_with_more_and_more_images_are_compared(
    pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([str(pictures), *QUICK, "--runs", str(tmp_path)]) == 0
    [directory] = tmp_path.iterdir()
    cards = [ModelCard.load(directory / name) for name in ("quarter", "half", "all")]
    assert [card.training_images for card in cards] == [5, 10, 20]
    rows = [line.split() for line in capfd.readouterr().out.rpartition("interval,")[2].splitlines()]
    for row, card in zip(rows[1:4], cards, strict=True):
        assert card.test_accuracy is not None
        assert row[0] == str(card.training_images)
        assert float(row[1]) == pytest.approx(100 * card.test_accuracy, abs=0.05)
    assert rows[4][0] == "40"
    with Image.open(directory / "learning_curve.png") as image:
        assert image.width > 400


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--limit", "6"], "model.learning_curve: error: a quarter of the training images"),
        (["--limit", "1"], "train.py: error: 1 training images are too few"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main([str(pictures), *QUICK, "--runs", str(tmp_path), *more]) == 2
    error = capfd.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_a_power_law_is_continued_and_fewer_test_images_tell_less() -> None:
    # Half of the wrong answers with twice the images.
    accuracy, low, high = extrapolate({400: 9_500, 200: 9_000, 100: 8_000}, 10_000, 800)
    assert accuracy == pytest.approx(0.975, abs=5e-4)
    assert 0.97 < low < accuracy < high < 0.98
    _, few_low, few_high = extrapolate({400: 38, 200: 36, 100: 32}, 40, 800)
    assert few_high - few_low > 10 * (high - low)


def test_no_wrong_answer_is_no_certainty() -> None:
    accuracy, low, high = extrapolate({400: 24, 200: 24, 100: 24}, 24, 800)
    assert low < accuracy <= high < 1
