"""How the reference CNN is trained: the settings of the original program, and our own.

Epochs, batch size and seed are no part of a recipe, they are the runner's choice.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how well a net trains, given the data.

    Attributes:
        dropout: probability in [0, 1) of dropping an activation of the dense layer.
        learning_rate: Adam's, at the start.
        weight_decay: factor of the weights that is added to their gradients (Adam's
            ``weight_decay``; L2 of ``λ`` in Keras' sense, a loss term ``λ·Σw²``, is ``2λ`` here).
        decay_dense_only: apply it to the weights of the hidden dense layer only.
        rotation_degrees: largest angle of the augmentation.
        rotated: share of the training images that are turned, in [0, 1].
        translate: largest shift of the augmentation, as a fraction of the side.
        label_smoothing: probability mass in [0, 1) that the targets spread over all classes.
        average_decay: decay per step of an exponential moving average of the weights, which is
            then what is validated and kept; 0 keeps the weights themselves.
        plateau_factor: what the learning rate is multiplied with on a plateau of the loss.
        plateau_patience: epochs in a row without a better loss that are tolerated before that.
        plateau_threshold: share of the best loss that a loss must be below it to count as better.
            Averaged weights improve a little in nearly every epoch, long after they should learn
            more slowly.
    """

    dropout: float
    learning_rate: float
    weight_decay: float
    decay_dense_only: bool
    rotation_degrees: float
    rotated: float
    translate: float
    label_smoothing: float
    average_decay: float
    plateau_factor: float
    plateau_patience: int
    plateau_threshold: float


RECIPES = {
    "original": Recipe(
        dropout=0.5,
        learning_rate=1e-3,
        weight_decay=2e-3,
        decay_dense_only=True,
        rotation_degrees=15,
        rotated=1.0,
        translate=0.1,
        label_smoothing=0.0,
        average_decay=0.0,
        plateau_factor=0.5,
        # The patience of 2 in Keras, which reduces the rate in the second bad epoch, not after it.
        plateau_patience=1,
        plateau_threshold=1e-4,
    ),
    "reference": Recipe(
        dropout=0.1,
        learning_rate=1.4e-3,
        weight_decay=1e-4,
        decay_dense_only=False,
        rotation_degrees=10,
        rotated=0.25,
        translate=0.1,
        label_smoothing=0.05,
        average_decay=0.999,
        plateau_factor=0.5,
        plateau_patience=2,
        plateau_threshold=0.01,
    ),
}
