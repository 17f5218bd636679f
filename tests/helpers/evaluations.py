"""Evaluations made on the spot: every picture has one colour, so that it can be recognised."""

from collections.abc import Sequence

import torch

from model.data.dataset import LabelledImages
from model.evaluation.scores import Evaluation


def make_evaluation(
    class_names: Sequence[str],
    answers: Sequence[tuple[int, int, float]],
    names: Sequence[str] | None = None,
) -> Evaluation:
    """Make an evaluation of ``answers``: true class, predicted class, confidence, an image each."""
    labels, predictions, confidences = zip(*answers, strict=True)
    colours = torch.arange(len(answers))[:, None] * torch.tensor([7, 31, 101])
    pixels = (colours % 256).to(torch.uint8)[:, :, None, None].expand(-1, 3, 32, 32).contiguous()
    names = names or [f"test/{index:04}.png" for index in range(len(answers))]
    probabilities = torch.zeros(len(answers), len(class_names))
    probabilities[range(len(answers)), predictions] = torch.tensor(confidences)
    return Evaluation(
        LabelledImages(pixels, torch.tensor(labels), None, tuple(class_names), names),
        probabilities,
        model="weather 3.1",
        source="folder pictures, test images",
    )
