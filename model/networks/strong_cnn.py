"""A network of ten convolutions, which is right where the reference network is not."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.networks.standardisation import fold_standardisation, measure_channels

# Addition to the variance of a component of the patches, so that none of them is only noise. With a
# tenth of it, even weak noise is stronger than anything that the next layer learns from.
WHITENING_EPSILON = 5e-3


class Block(nn.Module):
    """Three convolutions of 3×3 pixels: one that halves the side of the picture, and a residual.

    The scales of the batch normalisations stay 1: the next convolution, or the optimiser that keeps
    the size of its filters, makes up for them.

    Args:
        channels_in: Number of channels of the input.
        channels_out: Number of channels of the output.

    Shape:
        Input: float ``(N, channels_in, S, S)``.
        Output: float ``(N, channels_out, S // 2, S // 2)``.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm1: nn.Module = _normalisation(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2: nn.Module = _normalisation(channels_out)
        self.conv3 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm3: nn.Module = _normalisation(channels_out)
        self.pool = nn.MaxPool2d(2)
        for convolution in (self.conv1, self.conv2, self.conv3):
            # At first, as many outputs as there are inputs pass on one input each.
            nn.init.dirac_(convolution.weight.data[: convolution.in_channels])

    def fold_normalisations(self) -> None:
        """Let the convolutions do the work of the normalisations, too."""
        self.conv1 = fuse_conv_bn_eval(self.conv1, cast("nn.BatchNorm2d", self.norm1))
        self.conv2 = fuse_conv_bn_eval(self.conv2, cast("nn.BatchNorm2d", self.norm2))
        self.conv3 = fuse_conv_bn_eval(self.conv3, cast("nn.BatchNorm2d", self.norm3))
        self.norm1 = self.norm2 = self.norm3 = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, channels_in, S, S)`` to ``(N, channels_out, S // 2, S // 2)``."""
        halved = gelu(self.norm1(self.pool(self.conv1(images))))
        hidden = gelu(self.norm2(self.conv2(halved)))
        return gelu(halved + self.norm3(self.conv3(hidden)))


class StrongCNN(nn.Module):
    """A whitening layer, three blocks of three convolutions, the largest values, a linear layer.

    After "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (Jordan 2024, arXiv:2404.00498), where
    each of its parts is shown to pay.

    Args:
        num_classes: Number of outputs, at least 2.
        dropout: Probability in [0, 1) of dropping a feature in training.

    Attributes:
        takes_any_shape: Whether the input need not be square.

    Shape:
        Input: float ``(N, 3, H, W)``, RGB in [0, 1]; H and W are 9 or more. Each of the
            last features sees 79×79 pixels.
        Output: float ``(N, num_classes)``, logits. The loss and the exported graph apply softmax.
    """

    takes_any_shape = True
    widths = (64, 256, 256)

    def __init__(self, num_classes: int = 10, dropout: float = 0.0) -> None:
        super().__init__()
        # 12 values a patch of 2×2 pixels have 12 principal components, here with both signs.
        self.whiten = nn.Conv2d(3, 24, kernel_size=2)
        self.whiten.weight.requires_grad = False
        nn.init.zeros_(cast("Tensor", self.whiten.bias))
        channels = (24, *self.widths)
        self.blocks = nn.Sequential(*map(Block, channels, self.widths))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.widths[-1], num_classes, bias=False)
        nn.init.normal_(self.output.weight)

    @torch.no_grad()
    def start_from(self, pixels: Tensor) -> None:
        """Let the first layer whiten the patches of the training images, before any training.

        Its filters are the principal components of patches of 2×2 standardised pixels, scaled so
        that each has a variance of 1. They are not trained.

        Args:
            pixels: Float ``(N, 3, S, S)`` in [0, 1], of the training images.
        """
        mean, deviation = measure_channels(pixels)
        standardised = (pixels - mean[:, None, None]) / deviation[:, None, None]
        patches = standardised.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5)
        patches = patches.reshape(-1, 12)
        variances, components = torch.linalg.eigh((patches.T @ patches / len(patches)).double())
        filters = (components / (variances.clamp(min=0) + WHITENING_EPSILON).sqrt()).T
        self.whiten.weight.copy_(torch.cat([filters, -filters]).reshape(24, 3, 2, 2))
        fold_standardisation(self.whiten, mean, deviation)

    def fold_normalisations(self) -> None:
        """Let the convolutions of a trained network do the work of its normalisations, too.

        These never change the order of values, so they may as well come before the pooling.
        """
        for block in self.blocks.children():
            cast("Block", block).fold_normalisations()

    def embed(self, images: Tensor) -> Tensor:
        """Map images ``(N, 3, H, W)`` in [0, 1] to what the last layer sees, ``(N, 256)``."""
        embeddings: Tensor = self.blocks(gelu(self.whiten(images))).amax(dim=(2, 3))
        return embeddings

    def classify(self, embeddings: Tensor) -> Tensor:
        """Map embeddings ``(N, 256)`` to logits ``(N, num_classes)``."""
        # Divided by their number, the features need no smaller weights, nor a smaller rate.
        logits: Tensor = self.output(self.dropout(embeddings)) / embeddings.shape[1]
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, 3, H, W)`` in [0, 1] to logits ``(N, num_classes)``."""
        return self.classify(self.embed(images))


def _normalisation(channels: int) -> nn.BatchNorm2d:
    # The statistics follow fast (a momentum of 0.4), as the weights change fast to the very end.
    normalisation = nn.BatchNorm2d(channels, eps=1e-5, momentum=0.4)
    normalisation.weight.requires_grad = False
    return normalisation
