"""The reference convolutional network, in TorchServe's sense a model file: one ``nn.Module``."""

from torch import Tensor, nn


class ReferenceCNN(nn.Module):
    """Two convolutions, two poolings, two dense layers: 315,722 parameters for ten classes.

    No convolution is padded, as in Keras by default, so the picture shrinks
    32 → 30 → 15 → 13 → 6 pixels a side.

    Args:
        num_classes: number of outputs, at least 2.
        dropout: probability in [0, 1) of dropping an activation of the dense layer in training.

    Shape:
        Input: float ``(N, 3, 32, 32)``, RGB in [0, 1].
        Output: float ``(N, num_classes)``, logits (no softmax: the loss and the classifier apply
        it where it is numerically safe).
    """

    image_size = 32

    def __init__(self, num_classes: int = 10, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            # Pooling before the activation gives the same numbers, as the largest of four values
            # stays the largest, and the activation has a quarter of them to see.
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
        self._initialise()

    def _initialise(self) -> None:
        # Keras' default (Glorot and Bengio 2010). PyTorch's own starts the dense layer with weights
        # less than half as large, and ten epochs don't make up for it.
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, 3, 32, 32)`` in [0, 1] to logits ``(N, num_classes)``."""
        hidden = self.activation(self.dense(self.flatten(self.features(images))))
        logits: Tensor = self.output(self.dropout(hidden))
        return logits
