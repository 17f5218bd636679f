"""The answers of a classifier for labelled images, and the scores that follow from them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from torch import Tensor

from model.command_line import progress
from model.data.dataset import LabelledImages
from model.inference.classifier import Classifier

# Number of images that are classified at once.
BATCH_SIZE = 250


class ClassScores(NamedTuple):
    """How well one class is recognised: its number of images, and shares in [0, 1].

    The precision is NaN without an answer with this class, the recall without an image of it.
    """

    images: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """The answers of a classifier for labelled images.

    Attributes:
        images: The images, whose labels are class indices of the classifier.
        names: Names of the images: their files, or their positions in the data.
        predictions: int64 ``(N,)``, predicted class indices.
        confidences: float32 ``(N,)`` in [0, 1], probabilities of the predicted classes.
        class_names: Names of the classifier's classes, by class index.
        model: Name and version of the classifier.
        source: A description of the images.
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
        indices = range(len(self.class_names))
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
        labels = range(len(self.class_names))
        *shares, images = precision_recall_fscore_support(
            self.images.labels, self.predictions, labels=labels, zero_division=np.nan
        )
        rows = np.stack(shares, axis=1).tolist()
        return [ClassScores(count, *row) for count, row in zip(images.tolist(), rows, strict=True)]

    @property
    def macro_average(self) -> ClassScores:
        """The means over the classes that have images; that of the recall is balanced accuracy."""
        labels = self.images.labels.unique()
        *shares, _ = precision_recall_fscore_support(
            self.images.labels, self.predictions, labels=labels, average="macro", zero_division=0
        )
        return ClassScores(len(self.images), *map(float, shares))

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

    The ``files`` of the images, of which there is at least one, are read again for a classifier
    that sees pictures in their own shape, as ``images`` are square.

    Returns:
        The predicted class indices, int64 ``(N,)``, and their probabilities, float32 ``(N,)``.

    Raises:
        ImageError, OSError: A file has changed since the images were read from it.
    """
    rows: list[list[float]] = []
    for indices in progress(torch.arange(len(images)).split(BATCH_SIZE), "Classifying", "batches"):
        if files and classifier.card.fit == "keep-aspect":
            prepared = [classifier.prepare(files[index].read_bytes()) for index in indices.tolist()]
            rows += classifier.classify_prepared(prepared)
        else:
            pixels = images.subset(indices).pixels.permute(0, 2, 3, 1).numpy()
            rows += classifier.probabilities(pixels).tolist()
    confidences, predictions = torch.tensor(rows).max(dim=1)
    return predictions, confidences


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share, which also holds for few images."""
    interval = binomtest(correct, total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
