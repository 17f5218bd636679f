"""The verdict in words: how good a model is, as far as the images tell, and what would help."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import hypergeom

from model.command_line import format_percentage, visible
from model.evaluation.scores import Evaluation

# Probability below which a class is worse than the others by more than chance, for all classes
# together (Bonferroni).
SIGNIFICANCE = 0.05
# Width of the interval of an accuracy above which it tells little, and the number of images with
# which no interval is wider.
WIDE = 0.2
ENOUGH_IMAGES = 100
# Ratio of the training images of two classes above which the smaller one is named.
UNEVEN = 2
# Largest number of confusions and of classes that are named.
MOST_NAMED = 3


def describe_verdict(
    evaluation: Evaluation, images: str = "test images", training_counts: Sequence[int] = ()
) -> str:
    """Return four lines: the accuracy, what it is worth, the confusions, and what would help.

    ``training_counts`` are the numbers of training images by class index, if they are known.
    """
    right, total = evaluation.correct, len(evaluation.images)
    low, high = map(format_percentage, evaluation.interval)
    return (
        f"Right for {right:,} of {total:,} {images}: {format_percentage(evaluation.accuracy)}, or "
        f"{low} to {high} of many more such images (95 % interval).\n"
        f"{_describe_worth(evaluation)}\n{_describe_confusions(evaluation)}\n"
        f"{_describe_help(evaluation, training_counts)}"
    )


def find_weak_classes(matrix: np.ndarray) -> list[int]:
    """Return the classes with a lower recall than the others together, the lowest first.

    The difference is more than chance by Fisher's exact test, one-sided, over all classes. The
    ``matrix``, int64 ``(C, C)``, counts images by true (row) and predicted class index.
    """
    right, sizes = matrix.diagonal(), matrix.sum(axis=1)
    chances = hypergeom.cdf(right, sizes.sum(), right.sum(), sizes)
    weak = np.flatnonzero(chances < SIGNIFICANCE / np.count_nonzero(sizes))
    return sorted(weak.tolist(), key=lambda index: right[index] / sizes[index])


def _describe_worth(evaluation: Evaluation) -> str:
    """Compare with the answer that needs no model, and say where there are too few images."""
    sizes = evaluation.matrix.sum(axis=1)
    low, high = evaluation.interval
    largest, share = int(sizes.argmax()), sizes.max() / sizes.sum()
    surely = "Surely" if low > share else "Not surely"
    name = visible(evaluation.images.class_names[largest])
    text = f"{surely} better than answering {name} always ({format_percentage(share)})."
    if high - low > WIDE:
        text += (
            f" Too few images to tell how good it is: {ENOUGH_IMAGES} tell it to within "
            f"{100 * WIDE / 2:.0f} points."
        )
    return text


def _describe_confusions(evaluation: Evaluation) -> str:
    names, matrix = evaluation.images.class_names, evaluation.matrix
    wrong = matrix - np.diag(matrix.diagonal())
    if not wrong.any():
        return "No image is taken for another class."
    cells = np.argsort(-wrong, axis=None, kind="stable")[:MOST_NAMED]
    texts = [
        f"{visible(names[true])} taken for {visible(names[taken])} {wrong[true, taken]:,} times of "
        f"{matrix[true].sum():,}"
        for true, taken in zip(*np.unravel_index(cells, wrong.shape), strict=True)
        if wrong[true, taken] > 1
    ]
    if not texts:
        return "No class is taken for the same other one twice."
    return f"Most confused: {', '.join(texts)}."


def _describe_help(evaluation: Evaluation, training_counts: Sequence[int]) -> str:
    names, matrix = list(map(visible, evaluation.images.class_names)), evaluation.matrix
    if evaluation.correct == len(evaluation.images):
        return "These images show nothing to improve."
    if weak := find_weak_classes(matrix):
        texts = [
            f"{names[index]} (right for {matrix[index, index]:,} of {matrix[index].sum():,}"
            + (f", trained on {training_counts[index]:,})" if training_counts else ")")
            for index in weak[:MOST_NAMED]
        ]
        return f"What would help most: more pictures of {', '.join(texts)}."
    text = "No class is surely worse than the others; more pictures of every class"
    if training_counts and max(training_counts) > UNEVEN * min(training_counts):
        fewest, count = int(np.argmin(training_counts)), min(training_counts)
        text += f", and first of {names[fewest]} (trained on {count:,}),"
    return f"{text} would help; python -m model.learning_curve DIR tells how much."
