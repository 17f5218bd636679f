"""Random flips, shifts and rotations of the training images, by torchvision's own transforms."""

import math

import torch
from torch import Tensor
from torchvision.transforms import v2

from model.training.recipes import Recipe

# Number of images that share a draw. A transform of torchvision draws once for all images that it
# gets, and groups of eight train as well as single images, in a fifth of the time.
GROUP_SIZE = 8


def create_augmentation(recipe: Recipe, side: int) -> v2.Transform:
    """Return the transform of float images ``(N, 3, side, side)`` in [0, 1], drawn once for all.

    Angles and shifts in whole pixels are uniform within ± the largest. Pixels from outside of an
    image repeat its edge, as ``fill_mode="nearest"`` does in Keras. A covered square is grey
    (cutout: DeVries and Taylor 2017).
    """
    shift = round(recipe.translate * side)
    angle = math.radians(min(recipe.rotation_degrees, 45))
    # Wide enough that no corner from outside of the padding turns into view.
    padding = math.ceil((side / 2 + shift) * (math.cos(angle) + math.sin(angle)) - side / 2)
    rotate = v2.RandomRotation(recipe.rotation_degrees, v2.InterpolationMode.BILINEAR)
    area = (recipe.cutout**2,) * 2
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(0 if recipe.alternate_mirroring else 0.5),
            v2.Pad(padding, padding_mode="edge"),
            v2.RandomApply([rotate], recipe.rotated),
            v2.CenterCrop(side + 2 * shift),
            v2.RandomCrop(side),
            v2.RandomErasing(float(recipe.cutout > 0), scale=area, ratio=(1, 1), value=0.5),
        ]
    )


def augment_in_groups(augmentation: v2.Transform, images: Tensor) -> Tensor:
    """Augment float images ``(N, 3, S, S)``, each ``GROUP_SIZE`` of them by a draw of their own."""
    return torch.cat([augmentation(group) for group in images.split(GROUP_SIZE)])
