"""Networks in PyTorch, to hold the exported graphs against."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.inference import WEIGHTS_FILE_NAME
from model.inference.card import ModelCard
from model.networks import load_network, to_unit_range


def network_of(source: Path) -> nn.Module:
    """Load the weights of an archive or a run into their network."""
    files = zipfile.Path(source) if zipfile.is_zipfile(source) else source
    card = ModelCard.load(files)
    weights = (files / WEIGHTS_FILE_NAME).read_bytes()
    return load_network(weights, card.architecture, len(card.class_names), card.dropout)


def probabilities_in_pytorch(network: nn.Module, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Classify uint8 ``(N, S, S, 3)`` as the exported graph shall: float32 ``(N, C)``."""
    with torch.inference_mode():
        logits = network(to_unit_range(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
    probabilities: NDArray[np.float32] = logits.softmax(dim=1).numpy()
    return probabilities
