"""Random flips, shifts and rotations of a whole batch at once, drawn for each image.

torchvision's own transforms draw one set of parameters for whatever tensor they are given, so a
batch would be turned as one. These subclasses draw a row of parameters per image, from the same
distributions, and apply them in one step.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2


class BatchedRandomHorizontalFlip(v2.Transform):
    """Mirror each image of a batch with probability ``p``, as ``v2.RandomHorizontalFlip`` does.

    Shape:
        Input and output: any dtype ``(N, C, H, W)``.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw ``flipped``, bool ``(N,)``."""
        return {"flipped": torch.rand(len(flat_inputs[0])) < self.p}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Mirror the images where ``flipped`` is true."""
        flipped = params["flipped"].to(inpt.device)[:, None, None, None]
        return torch.where(flipped, inpt.flip(-1), inpt)


class BatchedRandomAffine(v2.Transform):
    """Turn and shift each image of a batch, as ``v2.RandomAffine`` does.

    Angles are uniform in ±``degrees``; shifts are whole pixels, uniform in ±``translate`` of the
    side before rounding. What comes in from outside repeats the nearest pixel of the edge (the
    ``fill_mode="nearest"`` of Keras). Sampling is bilinear, so an image that is not turned keeps
    its pixels exactly.

    Args:
        degrees: largest angle, in degrees.
        translate: largest shift, as a fraction of the side.
        rotated: probability in [0, 1] that an image is turned at all. Turning blurs, and a net that
            sees blurred images only does worse on sharp ones.

    Shape:
        Input and output: float ``(N, C, S, S)``.
    """

    def __init__(self, degrees: float, translate: float, rotated: float = 1.0) -> None:
        super().__init__()
        self.degrees = degrees
        self.translate = translate
        self.rotated = rotated

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw ``angle`` in degrees, float ``(N,)``, and ``translate`` in pixels, ``(N, 2)``."""
        count, side = len(flat_inputs[0]), flat_inputs[0].shape[-1]
        angle = torch.empty(count).uniform_(-self.degrees, self.degrees)
        angle *= torch.rand(count) < self.rotated
        largest_shift = self.translate * side
        translate = torch.empty(count, 2).uniform_(-largest_shift, largest_shift).round_()
        return {"angle": angle, "translate": translate}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Turn the images clockwise by ``angle`` about their centres, then shift them."""
        inverse = _inverse_affine(params["angle"], params["translate"], inpt.shape[-1])
        grid = functional.affine_grid(
            inverse.to(inpt.device), list(inpt.shape), align_corners=False
        )
        return functional.grid_sample(inpt, grid, padding_mode="border", align_corners=False)


def _inverse_affine(angle: Tensor, translate: Tensor, side: int) -> Tensor:
    """Where each output pixel comes from: float ``(N, 2, 3)``, in units of half a side."""
    radians = torch.deg2rad(angle)
    cosine, sine = radians.cos(), radians.sin()
    inverse_rotation = torch.stack(
        [torch.stack([cosine, sine], dim=-1), torch.stack([-sine, cosine], dim=-1)], dim=-2
    )
    shift = translate[:, :, None] * (2 / side)
    return torch.cat([inverse_rotation, -inverse_rotation @ shift], dim=-1)
