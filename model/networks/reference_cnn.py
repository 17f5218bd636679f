"""The reference convolutional network, which has the layers of the original Keras program."""

from typing import cast

from torch import Tensor, nn

from model.networks.standardisation import fold_standardisation, measure_channels


class ReferenceCNN(nn.Module):
    """Two convolutions, two poolings, two dense layers: 315,722 parameters for ten classes.

    As by default in Keras, convolutions are not padded, so the picture shrinks
    32 → 30 → 15 → 13 → 6 pixels a side.

    Args:
        num_classes: Number of outputs, at least 2.
        dropout: Probability in [0, 1) of dropping an activation of the dense layer in training.

    Attributes:
        image_size: Side of the input in pixels.
        takes_any_shape: Whether the input need not be square.

    Shape:
        Input: float ``(N, 3, 32, 32)``, RGB in [0, 1].
        Output: float ``(N, num_classes)``, logits. The loss and the exported graph apply softmax.
    """

    image_size = 32
    takes_any_shape = False

    def __init__(self, num_classes: int = 10, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            # Pooling first gives the same numbers, because the activation keeps the order of
            # values, and leaves a quarter of them to the activation.
            nn.Conv2d(3, 32, kernel_size=3),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=3),
            nn.MaxPool2d(2),
            nn.ReLU(),
        )
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(64 * 6 * 6, 128)
        self.activation = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(128, num_classes)
        # This is Keras' default (Glorot and Bengio 2010). PyTorch's default starts the dense layer
        # with weights less than half as large, and ten epochs don't make up for that.
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(cast("Tensor", module.bias))

    def start_from(self, pixels: Tensor) -> None:
        """Let the first layer standardise pixels, before any training, so that fewer units die.

        Args:
            pixels: Float ``(N, 3, 32, 32)`` in [0, 1], of the training images.
        """
        fold_standardisation(cast("nn.Conv2d", self.features[0]), *measure_channels(pixels))

    def embed(self, images: Tensor) -> Tensor:
        """Map images ``(N, 3, 32, 32)`` in [0, 1] to what the last layer sees, ``(N, 128)``."""
        embeddings: Tensor = self.activation(self.dense(self.flatten(self.features(images))))
        return embeddings

    def classify(self, embeddings: Tensor) -> Tensor:
        """Map embeddings ``(N, 128)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.output(self.dropout(embeddings))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, 3, 32, 32)`` in [0, 1] to logits ``(N, num_classes)``."""
        return self.classify(self.embed(images))
