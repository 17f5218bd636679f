"""What a classifier answered for labelled images, and what follows from it."""

import math
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from torch import Tensor

from model.classifier import Classifier
from model.data import LabelledImages
from model.progress import progress
from model.trainer import EVALUATION_BATCH_SIZE

# The standard normal's 97.5 % quantile: 95 % lie between it and its negative.
STANDARD_DEVIATIONS = 1.959964
# Unicode's control characters, lone surrogates (bytes that are no UTF-8), line and paragraph ends.
UNPRINTABLE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}


@dataclass(frozen=True)
class ClassScores:
    """How well one class is told; shares in [0, 1], or NaN where there is nothing to divide by."""

    images: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """Answers of a classifier for labelled images.

    Attributes:
        images: with labels by the classifier's class index.
        names: of the images: file names, or what stands for them.
        predictions: int64 ``(N,)``, predicted class indices.
        confidences: float32 ``(N,)`` in [0, 1], of the predicted classes.
        class_names: the classifier's, by class index.
        model: name and version of the classifier.
        source: which images they are.
    """

    images: LabelledImages
    names: Sequence[str]
    predictions: Tensor
    confidences: Tensor
    class_names: tuple[str, ...]
    model: str
    source: str

    @cached_property
    def matrix(self) -> np.ndarray:
        """Int64 ``(C, C)``: images by true (row) and predicted (column) class index."""
        indices = range(len(self.class_names))
        matrix: np.ndarray = confusion_matrix(
            self.images.labels, self.predictions, labels=list(indices)
        )
        return matrix

    @property
    def correct(self) -> int:
        """Number of images whose class was told."""
        return int(self.matrix.trace())

    @property
    def accuracy(self) -> float:
        """Share in [0, 1] of the images whose class was told."""
        return self.correct / len(self.images)

    @cached_property
    def scores(self) -> list[ClassScores]:
        """By class index."""
        precision, recall, f1, images = precision_recall_fscore_support(
            self.images.labels,
            self.predictions,
            labels=list(range(len(self.class_names))),
            zero_division=np.nan,
        )
        return [
            ClassScores(int(count), *map(float, shares))
            for count, *shares in zip(images, precision, recall, f1, strict=True)
        ]

    @cached_property
    def images_by_cell(self) -> dict[tuple[int, int], list[int]]:
        """Indices of images by true and predicted class index, most confident first.

        Cells without images are not in it.
        """
        cells = defaultdict(list)
        labels, predictions = self.images.labels.tolist(), self.predictions.tolist()
        for index in self.confidences.argsort(descending=True, stable=True).tolist():
            cells[labels[index], predictions[index]].append(index)
        return dict(cells)


def classify(classifier: Classifier, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Classify images as the server would.

    Args:
        classifier: what answers.
        pixels: uint8 ``(N, 3, size, size)``, N ≥ 1.

    Returns:
        Predicted class indices, int64 ``(N,)``, and their confidences, float32 ``(N,)``.
    """
    batches = pixels.split(EVALUATION_BATCH_SIZE)
    probabilities = torch.cat(
        [classifier.probabilities(batch) for batch in progress(batches, "Classifying", "batches")]
    )
    predictions = probabilities.argmax(dim=1)
    return predictions, probabilities.gather(1, predictions[:, None])[:, 0]


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the bounds in [0, 1] of the 95 % interval of a share, after Wilson (1927).

    Unlike the usual approximation it holds for few images and for shares near 0 and 1 too.

    Args:
        correct: 0 to ``total``.
        total: 1 or more.
    """
    share, squared = correct / total, STANDARD_DEVIATIONS**2
    centre = (share + squared / (2 * total)) / (1 + squared / total)
    spread = math.sqrt(share * (1 - share) / total + squared / (4 * total**2))
    half = STANDARD_DEVIATIONS * spread / (1 + squared / total)
    return max(0.0, centre - half), min(1.0, centre + half)


def printable(text: str, kept: str = "\n") -> str:
    """Return ``text`` with a � for what can't be printed, as names of files may have it."""
    return "".join(
        letter
        if letter in kept or unicodedata.category(letter) not in UNPRINTABLE_CATEGORIES
        else "�"
        for letter in text
    )
