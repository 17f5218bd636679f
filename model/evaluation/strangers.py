"""How well a model notices pictures of none of its classes, which are drawn here or in folders."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import roc_auc_score
from torch import Tensor

from model.command_line import format_percentage, progress, visible
from model.data.dataset import DataError
from model.evaluation.calibration import LEAST_PICTURES
from model.evaluation.scores import share_of
from model.inference.card import Strangers
from model.inference.classifier import Classifier
from model.inference.files import classify_files, find_files

# Number of pictures of each kind that are drawn.
DRAWN_PICTURES = 250
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
# Share of the held-out pictures that may be taken for strangers.
FALSE_ALARMS = 0.05


def find_ood_threshold(scores: Tensor) -> float | None:
    """Return the OOD score that 95 % of the held-out pictures don't exceed; None if these are few.

    Args:
        scores: float32 ``(N,)``, of pictures that the network was not trained on.
    """
    if len(scores) < LEAST_PICTURES or scores.isnan().any():
        return None
    return float(scores.double().quantile(1 - FALSE_ALARMS))


def draw_strangers(size: int) -> dict[str, NDArray[np.uint8]]:
    """Draw pictures that show nothing, or text: by kind, uint8 ``(250, size, size, 3)``, RGB.

    They are the same each time.
    """
    generator = np.random.default_rng(0)
    shape = (DRAWN_PICTURES, size, size, 3)
    colours = generator.integers(256, size=(2, DRAWN_PICTURES, 1, 1, 3))
    waves = _draw_waves(generator, size)
    return {
        "noise": generator.integers(256, size=shape, dtype=np.uint8),
        "flat colours": np.broadcast_to(colours[0], shape).astype(np.uint8),
        "letters and digits": np.stack([_draw_character(generator, size) for _ in range(shape[0])]),
        "textures": (waves * colours[0] + (1 - waves) * colours[1]).astype(np.uint8),
    }


def _draw_waves(generator: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Return the sum of two plane waves with random directions, in [0, 1], of random sharpness."""
    places = np.arange(size) / size
    waves = np.zeros((DRAWN_PICTURES, size, size, 1))
    for _ in range(2):
        angle, cycles, phase = generator.uniform(
            (0, 2, 0), (np.pi, 8, 2 * np.pi), (DRAWN_PICTURES, 3)
        ).T[..., None, None]
        along = places * np.cos(angle) + places[:, None] * np.sin(angle)
        waves += np.sin(2 * np.pi * cycles * along + phase)[..., None]
    sharpness = generator.uniform(0.5, 10, (DRAWN_PICTURES, 1, 1, 1))
    return (1 + np.tanh(sharpness * waves)) / 2


def _draw_character(generator: np.random.Generator, size: int) -> NDArray[np.uint8]:
    paper, ink = (tuple(colour) for colour in generator.integers(256, size=(2, 3)).tolist())
    image = Image.new("RGB", (size, size), paper)
    font = ImageFont.load_default(size * generator.uniform(0.5, 1))
    character = CHARACTERS[generator.integers(len(CHARACTERS))]
    ImageDraw.Draw(image).text((size / 2, size / 2), character, ink, font, anchor="mm")
    return np.asarray(image)


def measure_strangers(
    classifier: Classifier, known: Tensor, folders: Iterable[Path] = ()
) -> tuple[Strangers, ...]:
    """Measure how well OOD scores tell strangers from the pictures of a test split.

    Args:
        classifier: A model whose card has an OOD threshold; for others, there is nothing to tell.
        known: The OOD scores of the test images, float32 ``(N,)``; N is 1 or more.
        folders: Folders with pictures of other things, beside those that are drawn.

    Returns:
        What was measured of each kind of strangers, and last the test images taken for strangers.

    Raises:
        DataError: A folder has no readable picture.
    """
    threshold = classifier.card.ood_threshold
    if threshold is None:
        return ()
    drawn = draw_strangers(classifier.card.image_size)
    scores = {kind: classifier.compute(pixels)[1] for kind, pixels in drawn.items()}
    for folder in folders:
        files = progress(find_files([str(folder)]), folder.name, "pictures")
        answers = (answer for _, answer in classify_files(classifier, files))
        read = [one["ood_score"] for one in answers if "error" not in one]
        if not read:
            raise DataError(f"{folder} has no picture that can be read; name another folder")
        scores[folder.name] = np.array(read)
    measured = []
    for kind, strange in scores.items():
        is_strange = np.repeat([False, True], [len(known), len(strange)])
        auroc = float(roc_auc_score(is_strange, np.concatenate([known, strange])))
        noticed = share_of(int((strange > threshold).sum()), len(strange))
        measured.append(Strangers(kind, round(auroc, 4), noticed))
    false_alarms = share_of(int((known > threshold).sum()), len(known))
    return (*measured, Strangers("test images", None, false_alarms))


def write_strangers_report(directory: Path, measured: Iterable[Strangers]) -> str:
    """Write ``strangers.json``, and return what it says as a table."""
    rows = [one._asdict() | {"noticed": one.noticed._asdict()} for one in measured]
    (directory / "strangers.json").write_text(json.dumps(rows, indent=2) + "\n")
    lines = [f"{'taken for none of the classes':>30} {'share':>8} {'images':>8} {'AUROC':>8}"]
    for kind, auroc, (right, of, *_) in measured:
        told = "–" if auroc is None else f"{auroc:.3f}"
        lines.append(f"{visible(kind):>30} {format_percentage(right / of):>8} {of:>8,} {told:>8}")
    return "\n".join(lines) if rows else "Strangers can't be told: too few images were held out."
