"""A convolutional network of torchvision, which knows the photographs of ImageNet if asked to."""

from typing import Self, cast

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights, list_models

# What the name of a network of torchvision begins with, in options, files and cards.
PREFIX = "torchvision:"
# Families of networks that average their last features over a picture of any size, and end with
# one linear layer; a graph of any other network would take pictures of one shape only.
FAMILIES = (
    *("convnext_*", "densenet*", "efficientnet_*", "mnasnet*", "mobilenet_*", "regnet_*"),
    *("resnet*", "resnext*", "shufflenet_*", "wide_resnet*"),
)


class TorchvisionNetwork(nn.Module):
    """A network of torchvision with another last layer, which starts with zeros.

    The first layers of these networks have no bias and pad what they see with zeros, which stand
    for the mean colour. So the standardisation of pixels can't be folded into them, and is a step
    of its own here.

    Args:
        architecture: Name of the network, such as ``torchvision:resnet18``.
        num_classes: Number of outputs, at least 2.
        dropout: Probability in [0, 1) of dropping a feature in training, besides what the network
            itself drops.
        pretrained: Whether it has torchvision's weights, which are downloaded at the first time.

    Attributes:
        takes_any_shape: Whether the input need not be square.

    Shape:
        Input: float ``(N, 3, H, W)``, RGB in [0, 1]; H and W are 64 or more.
        Output: float ``(N, num_classes)``, logits. The loss and the exported graph apply softmax.

    Raises:
        ValueError: There is no such network.
        OSError: The weights can't be downloaded.
        RuntimeError: The weights are damaged.
    """

    takes_any_shape = True
    mean: Tensor
    deviation: Tensor

    def __init__(
        self, architecture: str, num_classes: int, dropout: float, *, pretrained: bool = False
    ) -> None:
        super().__init__()
        name = architecture.removeprefix(PREFIX)
        self.body = get_model(name, weights="DEFAULT" if pretrained else None)
        layers = self.body.named_modules()
        *_, (place, last) = (pair for pair in layers if isinstance(pair[1], nn.Linear))
        self.body.set_submodule(place, nn.Identity())
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(last.in_features, num_classes)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        # Those that torchvision's weights were trained with.
        standards = get_model_weights(name).DEFAULT.transforms()
        for buffer, values in (("mean", standards.mean), ("deviation", standards.std)):
            self.register_buffer(buffer, torch.tensor(values)[:, None, None])

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - as in PyTorch
        """Set the mode of all parts, but normalise in training, too, by ImageNet's statistics.

        Those of a few pictures are too uncertain, and follow too slowly in a short training.
        """
        super().train(mode)
        for part in self.body.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        return self

    def embed(self, images: Tensor) -> Tensor:
        """Map images ``(N, 3, H, W)`` in [0, 1] to what the last layer sees, ``(N, F)``."""
        return cast("Tensor", self.body((images - self.mean) / self.deviation))

    def classify(self, embeddings: Tensor) -> Tensor:
        """Map embeddings ``(N, F)`` to logits ``(N, num_classes)``."""
        return cast("Tensor", self.output(self.dropout(embeddings)))

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, 3, H, W)`` in [0, 1] to logits ``(N, num_classes)``."""
        return self.classify(self.embed(images))


def is_torchvision_network(architecture: str) -> bool:
    """Return whether torchvision has the network, and it is of one of the :data:`FAMILIES`."""
    name = architecture.removeprefix(PREFIX)
    return name in list_models(torchvision.models, FAMILIES)
