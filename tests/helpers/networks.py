"""Networks in PyTorch, to hold the exported graphs against."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.networks import to_unit_range


def probabilities_in_pytorch(
    network: nn.Module, pixels: NDArray[np.uint8], temperature: float = 1.0
) -> NDArray[np.float32]:
    """Classify uint8 ``(N, S, S, 3)`` as the exported graph shall: float32 ``(N, C)``."""
    with torch.inference_mode():
        logits = network(to_unit_range(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
    probabilities: NDArray[np.float32] = (logits / temperature).softmax(dim=1).numpy()
    return probabilities
