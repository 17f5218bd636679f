"""Networks in PyTorch, to hold the exported graphs against."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.models import get_model, get_model_weights

from model.networks import to_unit_range


def probabilities_in_pytorch(
    network: nn.Module, pixels: NDArray[np.uint8], temperature: float = 1.0
) -> NDArray[np.float32]:
    """Classify uint8 ``(N, S, S, 3)`` as the exported graph shall: float32 ``(N, C)``."""
    with torch.inference_mode():
        logits = network(to_unit_range(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
    probabilities: NDArray[np.float32] = (logits / temperature).softmax(dim=1).numpy()
    return probabilities


def measure_normalisations(network: nn.Module, images: torch.Tensor) -> None:
    """Give what all layers of an untrained network compute of images a usual size."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.train()
            part.momentum = 1.0
    with torch.inference_mode():
        network(images)


def lay_weights(torch_home: Path, name: str) -> Path:
    """Lay random weights of a network of torchvision where it looks for those it has downloaded."""
    torch.manual_seed(0)
    network = get_model(name)
    measure_normalisations(network, torch.randn(16, 3, 64, 64))
    file = torch_home / "hub" / "checkpoints" / Path(get_model_weights(name).DEFAULT.url).name
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), file)
    return file
