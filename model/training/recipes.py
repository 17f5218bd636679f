"""How the networks are trained: the settings of the original program, and better ones."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from model.command_line import number

SHARE = number(least=0, below=1)


def option(
    explanation: str,
    default: Any = None,  # noqa: ANN401
    parse: Callable[[str], Any] = str,
    **more: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Declare a field of a dataclass that is an option of ``train.py``."""
    kind = {"action": "store_true"} if default is False else {"type": parse}
    return field(default=default, metadata={"help": explanation, **kind, **more})


@dataclass(frozen=True)
class Recipe:
    """The settings that decide how well a network trains on given data; by default, of ``tuned``.

    Sources: Adam (Kingma and Ba 2015), decoupled weight decay (Loshchilov and Hutter 2019), label
    smoothing (Szegedy et al. 2016), averaged weights (Polyak and Juditsky 1992), TrivialAugment
    (Müller and Hutter 2021), noise (Rusak et al. 2020), cutout (DeVries and Taylor 2017).
    """

    name: str
    architecture: str = "ReferenceCNN"
    """Name of the network, as ``model.networks.build_network`` takes it."""
    default_batch_size: int = 64
    """Number of images in a step, where ``--batch-size`` gives none."""
    default_epochs: int = 10
    """Number of passes over the training images, where ``--epochs`` gives none."""
    least_steps: int = 1000
    """Number of steps below which a training learns too little, so that it gets more epochs."""
    learning_rate: float = option(
        "learning rate of Adam after the warm-up, or of Muon for a batch of 500 images",
        2e-3,
        number(above=0),
    )
    warm_up_steps: int = 200
    """Number of steps over which Adam's rate rises to its full value; an epoch at most."""
    dropout: float = option("share of the features that is dropped", 0.1, SHARE)
    weight_decay: float = option(
        "share of the weights that is taken off them at a learning rate of 1; with the recipes "
        "original and strong, it is added to their gradients",
        0.05,
        number(least=0),
    )
    is_original: bool = False
    """Whether Adam, what decays and the initial weights are as in the original Keras program."""
    rotation_degrees: float = 10
    """Largest angle by which training images are rotated, 45 at most."""
    rotated: float = 0.25
    """Share of the training images that is rotated, which blurs them."""
    translate: float = 0.1
    """Largest shift of the training images, as a share of their side."""
    trivial_augment: float = 0.0
    """Share of the training images that TrivialAugment changes: one of fourteen operations such as
    contrast, colour, sharpness or shear, at a random strength."""
    noise: float = 0.0
    """Share of the training images that Gaussian noise is added to."""
    cutout: float = 0.0
    """Side of the square of training images that is covered, as a share of theirs."""
    group_size: int = 8
    """Number of images that share a draw of the augmentation. A transform of torchvision draws once
    for all images that it gets; small groups train as well as single images, in a fraction of the
    time."""
    label_smoothing: float = option("share of the targets spread over all classes", 0.05, SHARE)
    average_decay: float = 0.999
    """Decay per step of the average of the weights, which is what is kept; 0 for no average."""
    keep_last: bool = False
    """Whether the last weights are kept, and not those of the least validation loss."""
    plateau_patience: int = 2
    """Number of epochs in a row without a lower validation loss before Adam's rate is halved."""
    plateau_threshold: float = 0.005
    """Difference in nats by which a loss must be lower to count as lower: averaged weights improve
    a little in nearly every epoch, even when a lower rate would serve them better."""

    @property
    def trains_reference_cnn(self) -> bool:
        """Whether its rates fall at plateaus, and its pictures are squares mirrored by chance.

        For all other networks rates fall evenly to zero, and mirroring takes turns.
        """
        return self.architecture == "ReferenceCNN"


ORIGINAL = Recipe(
    "original",
    learning_rate=1e-3,
    warm_up_steps=0,
    dropout=0.5,
    # Keras' L2 of λ, a loss term λ·Σw², is 2λ here.
    weight_decay=2e-3,
    is_original=True,
    rotation_degrees=15,
    rotated=1.0,
    label_smoothing=0.0,
    average_decay=0.0,
    # In Keras this is a patience of 2: Keras reduces the rate in the last bad epoch that
    # it waits for, PyTorch in the one after.
    plateau_patience=1,
    plateau_threshold=1e-4,
)
# Muon's rate, the batch, the smoothing and the mirroring are those of airbench94_muon
# (https://github.com/KellerJordan/cifar10-airbench).
STRONG = Recipe(
    "strong",
    architecture="StrongCNN",
    default_batch_size=500,
    default_epochs=80,
    learning_rate=0.12,
    dropout=0.0,
    weight_decay=2e-6,
    rotated=0.0,
    translate=0.125,
    trivial_augment=0.5,
    noise=0.2,
    cutout=0.375,
    group_size=25,
    label_smoothing=0.2,
    average_decay=0.0,
    keep_last=True,
)
# What the trained network knows needs no strong augmentation, and far fewer steps.
FINE_TUNED = replace(
    STRONG,
    name="fine-tuned",
    default_batch_size=64,
    default_epochs=5,
    least_steps=200,
    trivial_augment=0.0,
    noise=0.0,
    cutout=0.0,
    group_size=8,
    label_smoothing=0.1,
)
# What torchvision has trained learns with AdamW: the last layer at this rate, the others slower.
PRETRAINED = replace(FINE_TUNED, learning_rate=3e-3, weight_decay=0.05)
# Recipes by the name that --recipe takes.
RECIPES = {recipe.name: recipe for recipe in (ORIGINAL, Recipe("tuned"), STRONG, FINE_TUNED)}
