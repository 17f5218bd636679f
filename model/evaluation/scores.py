"""The answers of a classifier for labelled images, and the scores that follow from them."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from torch import Tensor

from model.command_line import progress
from model.data.dataset import LabelledImages
from model.inference.classifier import Classifier

# Number of images that are classified at once.
BATCH_SIZE = 250
# The 97.5 % quantile of the standard normal distribution: 95 % of it is within ± this.
STANDARD_DEVIATIONS = 1.959964


@dataclass(frozen=True)
class ClassScores:
    """How well one class is recognised.

    Attributes:
        images: number of images of the class.
        precision: share in [0, 1] of the answers with this class that are right; NaN without any.
        recall: share in [0, 1] of the images of this class that are recognised; NaN without any.
        f1: harmonic mean of both; NaN where there is neither an image nor an answer.
    """

    images: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """The answers of a classifier for labelled images.

    Attributes:
        images: the images, whose labels are class indices of the classifier.
        names: names of the images: their files, or their positions in the data.
        predictions: int64 ``(N,)``, predicted class indices.
        confidences: float32 ``(N,)`` in [0, 1], probabilities of the predicted classes.
        class_names: names of the classifier's classes, by class index.
        model: name and version of the classifier.
        source: a description of the images.
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
        """Numbers of images by true (row) and predicted (column) class index, int64 ``(C, C)``."""
        indices = list(range(len(self.class_names)))
        return np.asarray(confusion_matrix(self.images.labels, self.predictions, labels=indices))

    @property
    def correct(self) -> int:
        """Number of images whose class was recognised."""
        return int(self.matrix.trace())

    @property
    def accuracy(self) -> float:
        """Share in [0, 1] of the images whose class was recognised."""
        return self.correct / len(self.images)

    @cached_property
    def scores(self) -> list[ClassScores]:
        """The scores of the classes, by class index."""
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

    @property
    def macro_average(self) -> ClassScores:
        """The means over the classes that have images; that of the recall is balanced accuracy."""
        shares = precision_recall_fscore_support(
            self.images.labels,
            self.predictions,
            labels=self.images.labels.unique().tolist(),
            average="macro",
            zero_division=0,
        )
        return ClassScores(len(self.images), *map(float, shares[:3]))

    @cached_property
    def images_by_cell(self) -> dict[tuple[int, int], list[int]]:
        """Indices of images by true and predicted class index, with the most confident first.

        Cells without images are left out.
        """
        cells = defaultdict(list)
        labels, predictions = self.images.labels.tolist(), self.predictions.tolist()
        for index in self.confidences.argsort(descending=True, stable=True).tolist():
            cells[labels[index], predictions[index]].append(index)
        return dict(cells)


def classify(
    classifier: Classifier, images: LabelledImages, files: Sequence[Path] = ()
) -> tuple[Tensor, Tensor]:
    """Classify images as the server would.

    Args:
        classifier: the classifier that answers.
        images: the images to classify, at least one.
        files: the files of these images. They are read again for a classifier that sees pictures in
            their own shape, as ``images`` are square.

    Returns:
        The predicted class indices, int64 ``(N,)``, and their probabilities, float32 ``(N,)``.

    Raises:
        ImageError, OSError: a file has changed since the images were read from it.
    """
    rows: list[list[float]] = []
    for indices in progress(torch.arange(len(images)).split(BATCH_SIZE), "Classifying", "batches"):
        if files and classifier.card.fit == "keep-aspect":
            prepared = [classifier.prepare(files[index].read_bytes()) for index in indices.tolist()]
            rows += classifier.classify_prepared(prepared)
        else:
            pixels = images.subset(indices).pixels.permute(0, 2, 3, 1).numpy()
            rows += classifier.probabilities(pixels).tolist()
    probabilities = torch.tensor(rows)
    predictions = probabilities.argmax(dim=1)
    return predictions, probabilities.gather(1, predictions[:, None])[:, 0]


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the bounds of the 95 % confidence interval of a share (Wilson 1927).

    Unlike the usual approximation, this one also holds for few images and for shares near 0 and 1.

    Args:
        correct: number of images that are right, 0 to ``total``.
        total: number of images, at least 1.

    Returns:
        The lower and the upper bound, in [0, 1].
    """
    share, squared = correct / total, STANDARD_DEVIATIONS**2
    centre = (share + squared / (2 * total)) / (1 + squared / total)
    spread = math.sqrt(share * (1 - share) / total + squared / (4 * total**2))
    half = STANDARD_DEVIATIONS * spread / (1 + squared / total)
    return max(0.0, centre - half), min(1.0, centre + half)
