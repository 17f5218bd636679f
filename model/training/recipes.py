"""How the networks are trained: the settings of the original program, and better ones."""

from dataclasses import dataclass, field, replace
from typing import Any

from model.command_line import number, whole_number

SHARE = number(least=0, below=1)


def setting(explanation: str, parse: Any) -> Any:  # noqa: ANN401
    """Declare a setting of a recipe, which is also an option of ``train.py``."""
    return field(metadata={"help": explanation, "type": parse})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings that decide how well a network trains on given data.

    Sources: Adam (Kingma and Ba 2015), decoupled weight decay (Loshchilov and Hutter 2019), label
    smoothing (Szegedy et al. 2016), averaged weights (Polyak and Juditsky 1992).
    """

    name: str
    architecture: str = "ReferenceCNN"
    """Class name of the network, a key of ``model.networks.NETWORKS``."""
    default_batch_size: int = 64
    """Number of images in a step, where ``--batch-size`` gives none."""
    small_batch_size: int = 16
    """The same where there are few images."""
    default_epochs: int = 10
    """Number of passes over the training images, where ``--epochs`` gives none."""
    least_steps: int = 1000
    """Number of steps below which a training learns too little, so that it gets more epochs."""
    dropout: float = setting("share of the dense layer's activations that is dropped", SHARE)
    learning_rate: float = setting(
        "learning rate of Adam after the warm-up, or of Muon for a batch of 500 images",
        number(above=0),
    )
    warm_up_steps: int = setting(
        "number of steps over which the learning rate rises to its full value; a tenth of the "
        "training at most",
        whole_number(0),
    )
    epsilon: float = setting("term that keeps Adam from dividing by zero", number(above=0, below=1))
    weight_decay: float = setting(
        "share of the weights that is added to their gradients (Keras' L2 of λ, a loss term λ·Σw², "
        "is 2λ here), or, where it is decoupled, taken off them at a learning rate of 1",
        number(least=0),
    )
    decoupled_weight_decay: bool
    """Whether the weights decay past Adam (AdamW), which is then no part of the gradients."""
    decay_dense_only: bool
    """Whether only the weights of the hidden dense layer decay."""
    normalise: bool
    """Whether the first layer's initial weights standardise the pixels."""
    rotation_degrees: float = setting(
        "largest angle by which training images are rotated", number(least=0, below=180)
    )
    rotated: float = setting(
        "share of the training images that is rotated, which blurs them", number(least=0, most=1)
    )
    translate: float = setting(
        "largest shift of the training images, as a share of their side", number(least=0, below=0.5)
    )
    alternate_mirroring: bool = False
    """Whether each image is mirrored in every other epoch, and not by chance (Jordan 2024)."""
    cutout: float = setting(
        "side of the square of training images that is covered, as a share of theirs",
        number(least=0, below=1),
    )
    label_smoothing: float = setting("share of the targets spread over all classes", SHARE)
    average_decay: float = setting(
        "decay per step of the moving average of the weights, which is what is validated and kept; "
        "0 for no average",
        SHARE,
    )
    linear_decay: bool = False
    """Whether the learning rates fall to zero evenly with each step, and not at plateaus."""
    keep_last: bool = False
    """Whether the last weights are kept, and not those of the least validation loss."""
    plateau_factor: float = setting(
        "factor of the learning rate when the validation loss stops falling",
        number(above=0, below=1),
    )
    plateau_patience: int = setting(
        "number of epochs in a row without a lower validation loss before that", whole_number(0)
    )
    plateau_threshold: float = setting(
        "difference in nats by which a loss must be lower to count as lower; averaged weights "
        "improve a little in nearly every epoch, even when a lower rate would serve them better",
        number(least=0),
    )


ORIGINAL = Recipe(
    name="original",
    dropout=0.5,
    learning_rate=1e-3,
    warm_up_steps=0,
    epsilon=1e-7,
    weight_decay=2e-3,
    decoupled_weight_decay=False,
    decay_dense_only=True,
    normalise=False,
    rotation_degrees=15,
    rotated=1.0,
    translate=0.1,
    cutout=0.0,
    label_smoothing=0.0,
    average_decay=0.0,
    plateau_factor=0.5,
    # In Keras this is a patience of 2: Keras reduces the rate in the last bad epoch that
    # it waits for, PyTorch in the one after.
    plateau_patience=1,
    plateau_threshold=1e-4,
)
TUNED = Recipe(
    name="tuned",
    dropout=0.1,
    learning_rate=2e-3,
    warm_up_steps=200,
    epsilon=1e-8,
    weight_decay=0.05,
    decoupled_weight_decay=True,
    decay_dense_only=False,
    normalise=True,
    rotation_degrees=10,
    rotated=0.25,
    translate=0.1,
    cutout=0.0,
    label_smoothing=0.05,
    average_decay=0.999,
    plateau_factor=0.5,
    plateau_patience=2,
    plateau_threshold=0.005,
)
# Muon's rate, the batch, the smoothing and the mirroring are those of airbench94_muon
# (https://github.com/KellerJordan/cifar10-airbench).
STRONG = replace(
    TUNED,
    name="strong",
    architecture="StrongCNN",
    default_batch_size=500,
    default_epochs=40,
    dropout=0.0,
    learning_rate=0.12,
    warm_up_steps=0,
    weight_decay=2e-6,
    rotated=0.0,
    translate=0.125,
    alternate_mirroring=True,
    cutout=0.375,
    label_smoothing=0.2,
    average_decay=0.0,
    linear_decay=True,
    keep_last=True,
)
# What the trained network knows needs no strong augmentation, and far fewer steps.
FINE_TUNED = replace(
    STRONG,
    name="fine-tuned",
    small_batch_size=64,
    default_epochs=5,
    least_steps=200,
    cutout=0.0,
    label_smoothing=0.1,
)
# Recipes by the name that --recipe takes.
RECIPES = {recipe.name: recipe for recipe in (ORIGINAL, TUNED, STRONG, FINE_TUNED)}
