"""How far probabilities can be believed: the temperature that mends them, and how often they hold.

After "On Calibration of Modern Neural Networks" (Guo et al. 2017, arXiv:1706.04599).
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.calibration import calibration_curve

from model.evaluation.scores import Evaluation, share_of
from model.inference.card import Band, ValidationAnswers

ERROR = "expected calibration error"
# Number of bins of the expected calibration error.
BINS = 15
# Number that stands for a probability of 0, which has no logarithm.
SMALLEST = np.finfo(np.float32).tiny
# Standard deviation of the temperature's logarithm that is expected before any picture is seen. A
# few pictures that are all right would make the network infinitely sure otherwise.
EXPECTED_DEVIATION = 0.5
# Confidences that part the bands, and the least number of held-out pictures that tell anything: of
# a band, or of all.
BAND_EDGES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
LEAST_PICTURES = 30


def fit_temperature(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the temperature that makes labels likeliest, most probably near 1 for few pictures.

    Args:
        probabilities: ``(N, C)``, of pictures that the network was not trained on; N may be 0.
        labels: Their class indices ``(N,)``.
    """

    def cost(logarithm: float) -> float:
        scaled = apply_temperature(probabilities, np.exp(logarithm))
        likelihood = np.log(scaled[np.arange(len(labels)), labels]).sum()
        return float((logarithm / EXPECTED_DEVIATION) ** 2 / 2 - likelihood)

    return float(np.exp(minimize_scalar(cost, bounds=(-3, 3), method="bounded").x))


def apply_temperature(
    probabilities: NDArray[np.float64], temperature: float
) -> NDArray[np.float64]:
    """Return the probabilities ``(N, C)`` that come of logits divided by the temperature."""
    logits = np.log(np.maximum(probabilities, SMALLEST)) / temperature
    scaled: NDArray[np.float64] = softmax(logits, axis=1)
    return np.maximum(scaled, SMALLEST)


def find_bands(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[Band, ...]:
    """Count how often the likeliest class is right, by its confidence.

    Bands with few pictures are joined with the next, and there is none if there are few at all.

    Args:
        probabilities: ``(N, C)``, of pictures that the network was not trained on.
        labels: Their class indices ``(N,)``.
    """
    confidences = probabilities.max(axis=1, initial=0)
    if len(confidences) < LEAST_PICTURES:
        return ()
    edges = [0.0]
    for edge in (*BAND_EDGES, np.inf):
        if ((edges[-1] <= confidences) & (confidences < edge)).sum() >= LEAST_PICTURES:
            edges.append(edge)
    # The last band has what is left at the upper end.
    edges = [0.0, *edges[1:-1], 1.0]
    right = confidences[_is_right(probabilities, labels)]
    counts = (np.histogram(some, edges)[0].tolist() for some in (right, confidences))
    return tuple(map(Band, edges, edges[1:], map(share_of, *counts)))


def summarise_answers(
    probabilities: NDArray[np.float64], ood_scores: NDArray[np.float32], threshold: float | None
) -> ValidationAnswers | None:
    """Return what was answered to pictures, to be compared with later answers; None if few.

    Args:
        probabilities: ``(N, C)``, of pictures that the network was not trained on.
        ood_scores: Their OOD scores ``(N,)``.
        threshold: The highest OOD score of a picture that passes as one of the classes.
    """
    count, classes = probabilities.shape
    if count < LEAST_PICTURES:
        return None
    shares = np.bincount(probabilities.argmax(axis=1), minlength=classes) / count
    unknown = None if threshold is None else float((ood_scores > threshold).mean())
    confidence = float(probabilities.max(axis=1).mean())
    return ValidationAnswers(tuple(shares.tolist()), confidence, unknown)


def measure_calibration(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> dict[str, float]:
    """Return what is usual to say about probabilities ``(N, C)``, by its name; N is 1 or more.

    The expected calibration errors are shares in [0, 1], with 15 bins of equal width and of equally
    many pictures; the negative log-likelihood is in nats, and the Brier score in [0, 2].
    """
    truth = np.eye(probabilities.shape[1])[labels]
    confidences, of_truth = probabilities.max(axis=1), probabilities[np.arange(len(labels)), labels]
    return {
        ERROR: _calibration_error(probabilities, labels, np.linspace(0, 1, BINS + 1)),
        f"{ERROR}, equal mass": _calibration_error(
            probabilities, labels, np.quantile(confidences, np.linspace(0, 1, BINS + 1))
        ),
        "negative log-likelihood": float(-np.log(np.maximum(of_truth, SMALLEST)).mean()),
        "Brier score": float(((probabilities - truth) ** 2).sum(axis=1).mean()),
    }


def _calibration_error(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], edges: NDArray[np.float64]
) -> float:
    confidences, right = probabilities.max(axis=1), _is_right(probabilities, labels)
    bins = np.searchsorted(edges[1:-1], confidences)
    gaps = np.bincount(bins, confidences - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


def write_calibration_report(
    directory: Path, evaluation: Evaluation, temperature: float, images: str = "test images"
) -> tuple[float, str]:
    """Write ``calibration.json`` and ``reliability.png``, and return the expected error.

    A sentence comes with it that also has the error without the temperature. The answers are those
    of a graph that has the ``temperature``; the title of the figure says what the ``images`` are.
    """
    labels = evaluation.images.labels.numpy()
    after = evaluation.probabilities.double().numpy()
    before = apply_temperature(after, 1 / temperature)
    measured = {
        name: measure_calibration(each, labels)
        for name, each in (("before", before), ("after", after))
    }
    (directory / "calibration.json").write_text(
        json.dumps({"temperature": temperature, **measured}, indent=2) + "\n"
    )
    _draw_reliability(directory / "reliability.png", before, after, labels, images)
    error, without = measured["after"][ERROR], measured["before"][ERROR]
    return error, f"Expected calibration error {error:.2%}; without the temperature {without:.2%}"


def _draw_reliability(
    file: Path,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    labels: NDArray[np.int64],
    images: str,
) -> None:
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as often as it says")
    for probabilities, style, label in ((before, "o--", "before"), (after, "s-", "after")):
        # Rounded to float32, a confidence may be a little above 1.
        confidences = probabilities.max(axis=1).clip(max=1)
        right = _is_right(probabilities, labels)
        shares, means = calibration_curve(right, confidences, n_bins=BINS)
        axes.plot(means, shares, style, markersize=4, label=f"{label} temperature scaling")
    axes.set(xlabel="confidence", ylabel="share that is right", title=f"Reliability: {images}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=150)


def _is_right(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = probabilities.argmax(axis=1) == labels
    return right
