"""The answers of a classifier for labelled images, and the scores that follow from them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.metrics import classification_report, confusion_matrix
from torch import Tensor

from model.command_line import progress
from model.data.dataset import LabelledImages
from model.inference.card import Share
from model.inference.classifier import Classifier

# Number of images that are classified at once.
BATCH_SIZE = 250


@dataclass(frozen=True)
class Evaluation:
    """The answers of a classifier for labelled images.

    Attributes:
        images: The images, whose labels are class indices of the classifier.
        probabilities: float32 ``(N, C)`` in [0, 1], what the classifier answers.
        model: Name and version of the classifier.
        source: A description of the images.
    """

    images: LabelledImages
    probabilities: Tensor
    model: str = ""
    source: str = ""

    @property
    def predictions(self) -> Tensor:
        """Predicted class indices, int64 ``(N,)``."""
        return self.probabilities.argmax(dim=1)

    @property
    def confidences(self) -> Tensor:
        """Probabilities of the predicted classes, float32 ``(N,)`` in [0, 1]."""
        return self.probabilities.amax(dim=1)

    @cached_property
    def matrix(self) -> np.ndarray:
        """Numbers of images by true (row) and predicted (column) class index, int64 ``(C, C)``."""
        indices = range(len(self.images.class_names))
        return np.asarray(confusion_matrix(self.images.labels, self.predictions, labels=indices))

    @property
    def correct(self) -> int:
        """Number of images whose class was recognised."""
        return int(self.matrix.trace())

    @property
    def accuracy(self) -> float:
        """Share in [0, 1] of the images whose class was recognised."""
        return self.correct / len(self.images)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy."""
        return wilson_interval(self.correct, len(self.images))

    @property
    def recalls(self) -> tuple[Share, ...]:
        """How many images of each class were recognised; none if a class has no images."""
        counts = self.matrix.diagonal().tolist(), self.matrix.sum(axis=1).tolist()
        return tuple(map(share_of, *counts)) if all(counts[1]) else ()

    @cached_property
    def scores(self) -> dict[str, Any]:
        """Accuracies, averages and the scores of each class that has images, by their names."""
        present = self.images.labels.unique().tolist()
        # By index, because a class may be called "accuracy" or "macro avg".
        scores = self.report(list(map(str, present)), output_dict=True)
        return {
            "classes": {self.images.class_names[index]: scores[str(index)] for index in present},
            "accuracy": self.accuracy,
            # This is its definition; scikit-learn's function warns of answers with other classes.
            "balanced accuracy": scores["macro avg"]["recall"],
            "macro avg": scores["macro avg"],
            "weighted avg": scores["weighted avg"],
        }

    def report(self, names: Sequence[str], **options: object) -> Any:  # noqa: ANN401
        """Return scikit-learn's classification report, with ``names`` of the classes it is on."""
        return classification_report(
            self.images.labels,
            self.predictions,
            labels=self.images.labels.unique().tolist(),
            target_names=names,
            digits=4,
            zero_division=0,
            **options,
        )

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
    classifier: Classifier, images: LabelledImages, folder: Path | None = None
) -> tuple[Tensor, Tensor]:
    """Classify images as the server would.

    For a classifier that sees pictures in their own shape, the files are read again from the
    ``folder`` that the images came from, if they did, as ``images`` are square.

    Returns:
        The probabilities, float32 ``(N, C)``, and the OOD scores, float32 ``(N,)``.

    Raises:
        ImageError, OSError: A file has changed since the images were read from it.
    """
    probabilities: list[list[float]] = []
    scores: list[float] = []
    for indices in progress(torch.arange(len(images)).split(BATCH_SIZE), "Classifying", "batches"):
        batch = images.subset(indices)
        if folder and classifier.card.fit == "keep-aspect":
            prepared = [classifier.prepare((folder / name).read_bytes()) for name in batch.names]
            for output in classifier.classify_prepared(prepared):
                probabilities.append(output.probabilities)
                scores.append(output.ood_score)
        else:
            computed = classifier.compute(batch.pixels.permute(0, 2, 3, 1).numpy())
            probabilities += computed[0].tolist()
            scores += computed[1].tolist()
    shape = -1, len(classifier.card.class_names)
    return torch.tensor(probabilities).reshape(shape), torch.tensor(scores)


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share, which also holds for few images."""
    interval = binomtest(correct, total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def share_of(right: int, total: int) -> Share:
    """Return a share with its interval."""
    low, high = wilson_interval(right, total)
    return Share(right, total, round(low, 4), round(high, 4))
