import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from model.evaluation.calibration import (
    apply_temperature,
    find_bands,
    fit_temperature,
    measure_calibration,
    summarise_answers,
)


@pytest.fixture(scope="module")
def overconfident() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities that are too sure, the right ones, and labels drawn from these."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20_000, 4))
    right = softmax(logits, axis=1)
    labels = (right.cumsum(axis=1) < generator.random((len(right), 1))).sum(axis=1)
    return softmax(logits * 3, axis=1), right, labels


def test_the_temperature_that_was_wrong_is_found(overconfident: tuple[np.ndarray, ...]) -> None:
    probabilities, right, labels = overconfident
    temperature = fit_temperature(probabilities, labels)
    assert temperature == pytest.approx(3, rel=0.05)
    assert apply_temperature(probabilities, 3) == pytest.approx(right)


def test_of_few_pictures_it_learns_little_and_of_none_nothing() -> None:
    probabilities = np.full((5, 2), [0.9, 0.1])
    assert 0.5 < fit_temperature(probabilities, np.zeros(5, int)) < 0.9
    assert fit_temperature(np.ones((0, 2)), np.zeros(0, int)) == pytest.approx(1, abs=1e-3)


def test_scaled_probabilities_are_better_in_every_measure(
    overconfident: tuple[np.ndarray, ...],
) -> None:
    probabilities, right, labels = overconfident
    before, after = (measure_calibration(each, labels) for each in (probabilities, right))
    assert all(after[name] < before[name] for name in before)
    assert after["expected calibration error"] < 0.015


def test_the_measures_of_two_pictures_are_those_of_their_definitions() -> None:
    probabilities = np.array([[0.75, 0.25], [0.75, 0.25]])
    measured = measure_calibration(probabilities, np.array([0, 1]))
    assert measured["expected calibration error"] == pytest.approx(0.25)
    assert measured["negative log-likelihood"] == pytest.approx(-np.log([0.75, 0.25]).mean())
    assert measured["Brier score"] == pytest.approx((2 * 0.25**2 + 2 * 0.75**2) / 2)


def test_bands_hold_every_picture_once_and_join_where_there_are_few() -> None:
    confidences = np.repeat([0.45, 0.55, 0.97, 1.0], [10, 40, 50, 10])
    probabilities = np.stack([confidences, 1 - confidences], axis=1)
    labels = probabilities.argmax(axis=1)
    labels[-5:] ^= 1
    bands = find_bands(probabilities, labels)
    assert [(low, high, *share[:2]) for low, high, share in bands] == [
        (0, 0.6, 50, 50),
        (0.6, 1.0, 55, 60),
    ]
    assert find_bands(probabilities[:20], labels[:20]) == ()


def test_answers_are_summarised_as_they_are_counted_later() -> None:
    probabilities = np.repeat([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3]], [30, 10], axis=0)
    scores = np.repeat(np.array([0.1, 0.7, 0.8], np.float32), [36, 2, 2])
    answers = summarise_answers(probabilities, scores, 0.7)
    assert answers is not None
    assert answers.class_shares == (0.75, 0.25, 0)
    assert answers.confidence == pytest.approx(0.8)
    assert answers.unknown == pytest.approx(0.05)
    without_threshold = summarise_answers(probabilities, scores, None)
    assert without_threshold is not None
    assert without_threshold.unknown is None
    assert summarise_answers(probabilities[:29], scores[:29], 0.7) is None
