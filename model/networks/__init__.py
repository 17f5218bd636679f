"""The networks that can be trained, one file each, and functions to build any of them."""

import io
import pickle

import torch
from torch import Tensor

from model.networks.reference_cnn import ReferenceCNN
from model.networks.strong_cnn import StrongCNN
from model.networks.torchvision_network import PREFIX, TorchvisionNetwork

Network = ReferenceCNN | StrongCNN | TorchvisionNetwork
NETWORKS: dict[str, type[ReferenceCNN] | type[StrongCNN]] = {
    "ReferenceCNN": ReferenceCNN,
    "StrongCNN": StrongCNN,
}


def build_network(architecture: str, num_classes: int, dropout: float) -> Network:
    """Build an untrained network by the name of its class, a key of :data:`NETWORKS`, or its own.

    Those of torchvision have names of their own, such as ``torchvision:resnet18``.

    Raises:
        ValueError: There is no such network.
    """
    if architecture.startswith(PREFIX):
        return TorchvisionNetwork(architecture, num_classes, dropout)
    if architecture not in NETWORKS:
        raise ValueError(f"unknown architecture {architecture!r}; known: {', '.join(NETWORKS)}")
    return NETWORKS[architecture](num_classes, dropout)


def load_network(weights: bytes, architecture: str, num_classes: int, dropout: float) -> Network:
    """Build a network, and load the bytes of a ``weights.pt`` file into it.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        ValueError: The weights can't be read, or don't fit the network.
    """
    network = build_network(architecture, num_classes, dropout)
    try:
        state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"the weights don't fit {architecture}") from error
    return network.eval()


def to_unit_range(pixels: Tensor) -> Tensor:
    """Scale uint8 pixels, 0 to 255, of any shape to float32 in [0, 1]."""
    return pixels.float().div_(255)
