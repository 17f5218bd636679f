import pytest

from model.evaluation.scores import wilson_interval
from tests.helpers.evaluations import make_evaluation


# Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(correct: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)


def test_scores_are_those_of_the_classes_that_have_images() -> None:
    evaluation = make_evaluation(["cat", "dog", "none"], [(0, 0, 0.9), (0, 1, 0.8), (1, 1, 0.7)])
    cat, dog = evaluation.scores["classes"].values()
    assert (cat["support"], cat["precision"], cat["recall"]) == (2, 1.0, 0.5)
    assert (dog["support"], dog["precision"], dog["recall"]) == (1, 0.5, 1.0)
    average = evaluation.scores["macro avg"]
    assert (average["support"], average["precision"], average["recall"]) == (3, 0.75, 0.75)
    assert evaluation.accuracy == pytest.approx(2 / 3)
    assert evaluation.matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
