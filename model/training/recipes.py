"""How the reference CNN is trained: the settings of the original program, and tuned ones.

The epochs, the batch size and the seed are not part of a recipe; they are options of ``train.py``.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The settings that decide how well a network trains on given data.

    Attributes:
        dropout: probability in [0, 1) of dropping an activation of the dense layer.
        learning_rate: learning rate of Adam (Kingma and Ba 2015) at the start.
        weight_decay: factor of the weights that is added to their gradients (Adam's
            ``weight_decay``; Keras' L2 of ``λ``, a loss term ``λ·Σw²``, is ``2λ`` here).
        decay_dense_only: whether only the weights of the hidden dense layer decay.
        rotation_degrees: largest angle of the augmentation, in degrees.
        rotated: share in [0, 1] of the training images that are rotated.
        translate: largest shift of the augmentation, as a fraction of the side.
        label_smoothing: probability mass in [0, 1) of the targets that is spread over all classes
            (Szegedy et al. 2016).
        average_decay: decay per step, in [0, 1), of an exponential moving average of the weights,
            which is then validated and kept; with 0 the weights themselves are.
        plateau_factor: factor by which the learning rate is multiplied when the validation loss
            stops improving.
        plateau_patience: number of epochs in a row without a better loss before that.
        plateau_threshold: share of the best loss by which a loss must be lower to count as better.
            Averaged weights improve a little in nearly every epoch, even when a lower learning
            rate would serve them better.
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


# Recipes by the name that --recipe takes.
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
        # In Keras this is a patience of 2: Keras reduces the rate in the last bad epoch that it
        # waits for, PyTorch in the one after.
        plateau_patience=1,
        plateau_threshold=1e-4,
    ),
    "tuned": Recipe(
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
