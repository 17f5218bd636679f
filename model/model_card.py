"""What is known of a trained net: how to build it, what it was made from, how well it does.

The card is written by the training, travels in the model archive, and is the one source of class
names, image size, model name and version for whoever serves the model.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "model_card.json"


@dataclass(frozen=True)
class ModelCard:
    """The card of a run or an archive.

    Attributes:
        name: of the model, as TorchServe serves it; of the run before it is archived.
        version: of the archive, as ``1.0``; empty before it is archived.
        architecture: class name of the net.
        dropout: what the net was built with.
        image_size: side of the input in pixels.
        class_names: by class index.
        data: where the images came from.
        training_images: number of images trained on.
        validation_images: number of images held out to choose the epoch; 0 for a refit.
        recipe: its name.
        epochs: after which the kept weights were taken.
        validation_accuracy: share in [0, 1], or None for a refit.
        test_accuracy: share in [0, 1], or None where the test split was left alone.
        test_images: number of images of the test split.
        created: date of the training, ISO 8601.
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

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """Parse what :meth:`to_json` wrote.

        Raises:
            ValueError: the text is no card.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            return cls(**{**fields, "class_names": tuple(fields["class_names"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a model card: {error}") from error

    def to_json(self) -> str:
        """Serialise, readable by people too."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def to_markdown(self) -> str:
        """Describe the model for people who choose whether to use it."""
        return f"""# {self.name} {self.version}

| | |
|---|---|
| Task | one of {len(self.class_names)} classes: {", ".join(self.class_names)} |
| Architecture | {self.architecture}, input RGB {self.image_size}×{self.image_size} in [0, 1] |
| Training data | {self.data}: {self.training_images:,} images |
| Recipe | {self.recipe}, {self.epochs} epochs |
| Validation accuracy | {_percent(self.validation_accuracy, self.validation_images)} |
| Test accuracy | {_percent(self.test_accuracy, self.test_images)} |
| Trained | {self.created} |

The net knows these classes only and answers with one of them whatever the picture shows. Its
confidence is not calibrated. It sees {self.image_size}×{self.image_size} pixels: what is small in a
picture is lost.
"""

    def save(self, directory: Path) -> None:
        """Write the card into a run's directory."""
        (directory / FILE_NAME).write_text(self.to_json())


def _percent(accuracy: float | None, images: int) -> str:
    return "not measured" if accuracy is None else f"{accuracy:.2%} of {images:,} images"
