import numpy as np

from model.evaluation.scores import Evaluation
from model.evaluation.verdict import describe_verdict, find_weak_classes
from tests.helpers.evaluations import make_evaluation

NAMES = "cat", "dog", "ship"


def evaluate(*rows: tuple[int, ...]) -> Evaluation:
    """Make an evaluation that has these rows as its confusion matrix."""
    cells = [
        (true, predicted, 0.9)
        for true, row in enumerate(rows)
        for predicted, count in enumerate(row)
        for _ in range(count)
    ]
    return make_evaluation(NAMES[: len(rows)], cells)


def test_a_good_model_is_known_well_and_no_class_is_blamed() -> None:
    evaluation = evaluate((97, 3, 0), (2, 98, 0), (0, 1, 99))
    lines = describe_verdict(evaluation, training_counts=(300, 280, 310)).splitlines()
    assert lines[0] == (
        "Right for 294 of 300 test images: 98.0 %, or 95.7 % to 99.1 % of many more such images "
        "(95 % interval)."
    )
    assert lines[1:3] == [
        "Surely better than answering cat always (33.3 %).",
        "Most confused: cat taken for dog 3 times of 100, dog taken for cat 2 times of 100.",
    ]
    assert lines[3].startswith(
        "No class is surely worse than the others; more pictures of every class would help"
    )


def test_one_bad_class_is_what_needs_pictures() -> None:
    evaluation = evaluate((12, 17, 1), (2, 28, 0), (0, 1, 29))
    lines = describe_verdict(evaluation, training_counts=(24, 90, 90)).splitlines()
    assert lines[2] == (
        "Most confused: cat taken for dog 17 times of 30, dog taken for cat 2 times of 30."
    )
    assert lines[3] == (
        "What would help most: more pictures of cat (right for 12 of 30, trained on 24)."
    )


def test_guessing_is_told_even_where_the_accuracy_looks_high() -> None:
    lines = describe_verdict(evaluate((900, 0), (100, 0))).splitlines()
    assert "90.0 %" in lines[0]
    assert lines[1] == "Not surely better than answering cat always (90.0 %)."
    assert lines[3] == "What would help most: more pictures of dog (right for 0 of 100)."


def test_few_images_tell_little() -> None:
    evaluation = evaluate((3, 1, 0), (0, 4, 0), (1, 0, 3))
    lines = describe_verdict(evaluation, training_counts=(10, 16, 31)).splitlines()
    assert "83.3 %, or 55.2 % to 95.3 %" in lines[0]
    assert lines[1].endswith(
        "Too few images to tell how good it is: 100 tell it to within 10 points."
    )
    assert lines[2] == "No class is taken for the same other one twice."
    assert "every class, and first of cat (trained on 10), would help" in lines[3]


def test_without_a_mistake_nothing_is_asked_for() -> None:
    assert describe_verdict(evaluate((50, 0), (0, 50))).splitlines()[2:] == [
        "No image is taken for another class.",
        "These images show nothing to improve.",
    ]


def test_classes_that_differ_by_chance_are_seldom_blamed() -> None:
    generator = np.random.default_rng(0)
    blamed = 0
    for right in generator.binomial(20, 0.8, (200, 10)):
        matrix = np.diag(right)
        matrix[np.arange(10), np.arange(10) - 1] = 20 - right
        blamed += bool(find_weak_classes(matrix))
    assert blamed <= 20
