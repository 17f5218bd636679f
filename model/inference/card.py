"""The model card: how to build a trained network, what it was trained on, and how good it is.

Training writes the card. It travels in the model archive, and is the only source of class names,
image size, model name and version for everything that serves the model.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from model.images.preprocessing import Fit
from model.inference import CARD_FILE_NAME, read_file

CIFAR_LICENCE = (
    "The authors of CIFAR-10 publish it without a licence, and ask to cite Krizhevsky 2009, "
    "“Learning Multiple Layers of Features from Tiny Images”."
)
UNKNOWN_LICENCE = "The licence of its training data is not recorded."


class Share(NamedTuple):
    """How many pictures were right ``of`` some, and the 95 % interval of the share, in [0, 1]."""

    right: int
    of: int
    least: float
    most: float


class Band(NamedTuple):
    """The share of the held-out pictures with a confidence in ``[low, high)`` that were right.

    The highest band, whose end is 1, includes its end.
    """

    low: float
    high: float
    share: Share


class Strangers(NamedTuple):
    """How many pictures of a ``kind`` were ``noticed``: taken for none of the classes.

    ``auroc`` in [0, 1] is how likely the OOD score of one of them is higher than that of a test
    image; None if they are the test images themselves, which are noticed by mistake.
    """

    kind: str
    auroc: float | None
    noticed: Share


class ValidationAnswers(NamedTuple):
    """What the network answered to the validation images; all numbers are in [0, 1].

    Attributes:
        class_shares: Share of the answers that each class was, by class index.
        confidence: Mean confidence.
        unknown: Share that was taken for none of the classes; None without an OOD threshold.
    """

    class_shares: tuple[float, ...]
    confidence: float
    unknown: float | None


@dataclass(frozen=True)
class ModelCard:
    """The card of a run or an archive.

    Attributes:
        name: Name of the model as TorchServe serves it; before archiving, name of the run.
        version: Version of the archive, such as ``1.0``; empty before archiving.
        architecture: Class name of the network.
        dropout: Dropout rate in [0, 1) that the network was built with.
        image_size: Side of the input in pixels, or its shorter side; see ``fit``.
        class_names: Names of the classes, by class index.
        data: Description of where the images came from.
        training_images: Number of images that were trained on.
        validation_images: Number of images held out to choose the epoch; 0 for a refit.
        recipe: Name of the training recipe.
        epochs: Number of epochs after which the weights were taken.
        validation_accuracy: Share in [0, 1], or None for a refit.
        test_accuracy: Share in [0, 1], or None if the network was not tested.
        test_images: Number of images in the test split.
        created: Date of the training, ISO 8601.
        fit: How a picture gets this size: as a square (``resize``), or in its own shape
            (``keep-aspect``).
        temperature: Number by which the graph divides the network's logits, so that its
            probabilities are as high as the shares that were right of the held-out images.
        ood_threshold: Highest OOD score of a picture that passes as one of the classes, which 95 %
            of the held-out images did; None if few were held out, or the graph gives no score.
        bands: How often it was right with these, by confidence; none if few were held out.
        recalls: How often it was right about the test images of each class, by class index; none
            if it was not tested.
        calibration_error: Expected calibration error in [0, 1] of the test images, or None.
        strangers: How many pictures of other things it noticed, and how many test images; none if
            it was not tested, or has no threshold.
        validation_answers: What it answered to the validation images, for a refit those of the
            first run; None if these were few.
    """

    name: str
    version: str
    architecture: str
    dropout: float
    image_size: int
    class_names: tuple[str, ...]
    data: str
    training_images: int
    validation_images: int
    recipe: str
    epochs: int
    validation_accuracy: float | None
    test_accuracy: float | None
    test_images: int
    created: str
    fit: Fit = "resize"
    temperature: float = 1.0
    ood_threshold: float | None = None
    bands: tuple[Band, ...] = ()
    recalls: tuple[Share, ...] = ()
    calibration_error: float | None = None
    strangers: tuple[Strangers, ...] = ()
    validation_answers: ValidationAnswers | None = None

    @classmethod
    def load(cls, source: Path) -> "ModelCard":
        """Read the card of a run or an archive.

        Raises:
            OSError: ``source`` holds no card.
            ValueError: The card or the archive is damaged.
        """
        fields: dict[str, Any] = json.loads(read_file(source, CARD_FILE_NAME))
        try:
            fields["class_names"] = tuple(fields["class_names"])
            fields["recalls"] = tuple(Share(*share) for share in fields.get("recalls", ()))
            bands = ((low, high, Share(*share)) for low, high, share in fields.get("bands", ()))
            fields["bands"] = tuple(Band(*band) for band in bands)
            strangers = ((*told, Share(*share)) for *told, share in fields.get("strangers", ()))
            fields["strangers"] = tuple(Strangers(*one) for one in strangers)
            if answers := fields.get("validation_answers"):
                shares, *others = answers
                fields["validation_answers"] = ValidationAnswers(tuple(shares), *others)
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a model card: {error}") from error

    def save(self, directory: Path) -> None:
        """Write the card into a run's directory."""
        (directory / CARD_FILE_NAME).write_text(self.to_json())

    def to_json(self) -> str:
        """Return what :meth:`load` reads."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def to_markdown(self) -> str:
        """Describe the model to people who decide whether to use it."""
        longer = ", or longer in its own shape" if self.fit == "keep-aspect" else ""
        licence = CIFAR_LICENCE if "cifar" in self.data.lower() else UNKNOWN_LICENCE
        return f"""# {self.name} {self.version}

| | |
|---|---|
| Task | one of {len(self.class_names)} classes: {", ".join(self.class_names)} |
| Architecture | {self.architecture}, input RGB {self.image_size}×{self.image_size}{longer} |
| Training data | {self.data}: {self.training_images:,} images |
| Recipe | {self.recipe}, {self.epochs} epochs |
| Validation accuracy | {_percent(self.validation_accuracy, self.validation_images)} |
| Test accuracy | {_percent(self.test_accuracy, self.test_images)} |
| Expected calibration error | {_percent(self.calibration_error, self.test_images)} |
| Temperature | {self.temperature:.2f} |
| Answers to validation images | {self._describe_answers()} |
| Trained | {self.created} |

## What it is for

Learning, trying out, and sorting pictures of these classes where a wrong answer does no harm. It
must not be used to decide about people, for medical purposes, or where safety depends on it.

## Limits

- It knows only these classes, and answers with one of them whatever the picture shows.
- It names one thing in a picture, and does not say where that is.
- It misses small details, as the shorter side of what it sees has only {self.image_size} pixels.
- Its figures hold for pictures like those that it was tested with, and not for others, such as
  noisy or blurred ones.

## How often it is right
{self._describe_shares()}
## Licence

The code that comes with it is under the MIT licence.
{licence}
"""

    def _describe_answers(self) -> str:
        if not self.validation_answers:
            return "not measured"
        _, confidence, unknown = self.validation_answers
        none = "" if unknown is None else f", {unknown:.1%} none of the classes"
        return f"mean confidence {confidence:.1%}{none}"

    def _describe_shares(self) -> str:
        text = "\nIts confidence is not measured on held-out pictures.\n"
        if self.bands:
            text = _header("Confidence", "Held-out pictures")
        for low, high, share in self.bands:
            text += f"| {100 * low:.0f} to {100 * high:.0f} % | {_describe(share)} |\n"
        if self.recalls:
            text += _header("Class", "Test images")
        for name, share in zip(self.class_names, self.recalls, strict=False):
            text += f"| {name} | {_describe(share)} |\n"
        if self.strangers:
            text += "\n| Pictures of | Taken for none of the classes | 95 % interval | AUROC |\n"
            text += "|---|---|---|---|\n"
        for kind, auroc, share in self.strangers:
            told = "–" if auroc is None else f"{auroc:.3f}"
            text += f"| {kind} | {_describe(share)} | {told} |\n"
        return text


def _header(first: str, pictures: str) -> str:
    return f"\n| {first} | {pictures} that were right | 95 % interval |\n|---|---|---|\n"


def _describe(share: Share) -> str:
    right, of, least, most = share
    return f"{right:,} of {of:,}: {right / of:.1%} | {least:.1%} to {most:.1%}"


def _percent(accuracy: float | None, images: int) -> str:
    return "not measured" if accuracy is None else f"{accuracy:.2%} of {images:,} images"
