"""A trained net together with all it takes to answer, in PyTorch: for all work offline.

The handler serves the same net as an ONNX graph (``model/onnx_net.py``); tests hold the answers
together.
"""

import io
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model import model_card
from model.answers import answer
from model.model_card import ModelCard
from model.preprocessing import PreparedImage, prepare, to_unit_range
from model.reference_cnn import ReferenceCNN

WEIGHTS_FILE_NAME = "weights.pt"
ARCHITECTURES = {"ReferenceCNN": ReferenceCNN}
# A contribution this small is lost when float32 adds it to a logit.
NEGLIGIBLE_WEIGHT = 1e-12


class Classifier:
    """Answers which class a picture shows.

    Args:
        net: maps float ``(N, 3, S, S)`` in [0, 1] to logits ``(N, C)``; weights too small to change
            an answer are set to zero in it.
        card: what the net is; its class names are in the order of the logits.
        device: where the net computes.
    """

    def __init__(self, net: nn.Module, card: ModelCard, device: torch.device) -> None:
        self.card = card
        self._device = device
        if device.type == "cuda":
            # TF32 rounds to ten bits: the answers would differ from the CPU's by more than 1e-3.
            torch.backends.cudnn.allow_tf32 = False
        _drop_negligible_weights(net)
        self.net = net.to(device).eval()

    @classmethod
    def load(cls, source: Path, device: torch.device | None = None) -> "Classifier":
        """Load a run's directory, a model archive, or the directory of an unpacked archive.

        Args:
            source: directory or ``.mar`` file that holds the card and the weights.
            device: where the net shall compute; the CPU by default.

        Raises:
            FileNotFoundError: ``source`` or a file in it is missing.
            ValueError: the card or the weights can't be read, or don't fit each other.
        """
        device = device or torch.device("cpu")
        files = zipfile.Path(source) if zipfile.is_zipfile(source) else source
        card = ModelCard.from_json((files / model_card.FILE_NAME).read_text(encoding="utf-8"))
        weights = io.BytesIO((files / WEIGHTS_FILE_NAME).read_bytes())
        net = build_net(card.architecture, len(card.class_names), card.dropout)
        try:
            net.load_state_dict(torch.load(weights, map_location=device, weights_only=True))
        except (RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(f"the weights in {source} don't fit {card.architecture}") from error
        return cls(net, card, device)

    def prepare(self, image: bytes) -> PreparedImage:
        """Decode a file to the pixels that the net sees; raises ``ImageError``."""
        return prepare(image, self.card.image_size)

    @torch.inference_mode()
    def probabilities(self, pixels: Tensor) -> Tensor:
        """Classify a batch.

        Args:
            pixels: uint8 ``(N, 3, S, S)``, N ≥ 1.

        Returns:
            float32 ``(N, C)`` on the CPU, rows sum to 1.
        """
        logits: Tensor = self.net(to_unit_range(pixels.to(self._device)))
        return logits.float().softmax(dim=1).cpu()

    def classify(self, image: bytes) -> dict[str, Any]:
        """Answer for one file as the REST endpoint does; raises ``ImageError``."""
        return self.answers([self.prepare(image)])[0]

    def answers(self, images: Sequence[PreparedImage]) -> list[dict[str, Any]]:
        """Answer for prepared pictures, at least one, as the REST endpoint does."""
        pixels = torch.from_numpy(np.stack([image.pixels for image in images]))
        probabilities = self.probabilities(pixels.permute(0, 3, 1, 2)).tolist()
        return [answer(self.card, *each) for each in zip(probabilities, images, strict=True)]


def build_net(architecture: str, num_classes: int, dropout: float) -> nn.Module:
    """Build an untrained net by the name of its class.

    Raises:
        ValueError: there is no such architecture.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"unknown architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[architecture](num_classes, dropout)


@torch.no_grad()
def _drop_negligible_weights(net: nn.Module) -> None:
    """Set weights to zero that change no answer but take processors many times as long.

    Weight decay shrinks the weights of a unit that has died without end. A quarter of the shipped
    net's were below 1.2e-38, where float32 loses precision and processors compute slowly: an
    image took 5.9 ms instead of 0.1 (2026-11-22).
    """
    for parameter in net.parameters():
        parameter[parameter.abs() < NEGLIGIBLE_WEIGHT] = 0
