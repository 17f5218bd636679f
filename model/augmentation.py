"""Random flips, shifts and rotations of a whole batch at once, drawn for each image.

torchvision's own transforms draw one set of parameters for whatever tensor they are given, so a
batch would be turned as one. This subclass draws a row of parameters per image, from the same
distributions, and applies all of them in one step.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2


class BatchedRandomAffine(v2.Transform):
    """Mirror, turn and shift each image of a batch.

    As ``v2.RandomHorizontalFlip`` and then ``v2.RandomAffine`` do. Angles are uniform in
    ±``degrees``; shifts are whole pixels, uniform in ±``translate`` of the side before rounding.
    What comes in from outside repeats the nearest pixel of the edge (the ``fill_mode="nearest"`` of
    Keras). Sampling is bilinear, so an image that is not turned keeps its pixels exactly.

    Args:
        degrees: largest angle, in degrees.
        translate: largest shift, as a fraction of the side.
        rotated: probability in [0, 1] that an image is turned at all. Turning blurs, and a net that
            sees blurred images only does worse on sharp ones.
        flip: probability in [0, 1] that an image is mirrored.

    Shape:
        Input and output: float ``(N, C, S, S)``.
    """

    def __init__(
        self, degrees: float, translate: float, rotated: float = 1.0, flip: float = 0.5
    ) -> None:
        super().__init__()
        self.degrees = degrees
        self.translate = translate
        self.rotated = rotated
        self.flip = flip

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw what happens to each image.

        Returns:
            ``flipped``, bool ``(N,)``; ``angle`` in degrees, float ``(N,)``; ``translate`` in
            pixels, float ``(N, 2)``; and what follows from them, ``inverse``: where each pixel of
            the result comes from, float ``(N, 2, 3)``, in units of half a side. All on the CPU.
        """
        count, side = len(flat_inputs[0]), flat_inputs[0].shape[-1]
        flipped = torch.rand(count) < self.flip
        angle = torch.empty(count).uniform_(-self.degrees, self.degrees)
        angle *= torch.rand(count) < self.rotated
        largest_shift = self.translate * side
        translate = torch.empty(count, 2).uniform_(-largest_shift, largest_shift).round_()
        return {
            "flipped": flipped,
            "angle": angle,
            "translate": translate,
            "inverse": _inverse_affine(flipped, angle, translate, side),
        }

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Mirror the images, turn them clockwise by ``angle`` about their centres, shift them."""
        if len(inpt) == 0:
            # A process whose part of a small batch is empty; a grid can't be.
            return inpt
        inverse = params["inverse"].to(inpt.device)
        grid = functional.affine_grid(inverse, list(inpt.shape), align_corners=False)
        return functional.grid_sample(inpt, grid, padding_mode="border", align_corners=False)


def _inverse_affine(flipped: Tensor, angle: Tensor, translate: Tensor, side: int) -> Tensor:
    radians = torch.deg2rad(angle)
    cosine, sine = radians.cos(), radians.sin()
    inverse_rotation = torch.stack(
        [torch.stack([cosine, sine], dim=-1), torch.stack([-sine, cosine], dim=-1)], dim=-2
    )
    shift = translate[:, :, None] * (2 / side)
    inverse = torch.cat([inverse_rotation, -inverse_rotation @ shift], dim=-1)
    inverse[flipped, 0] *= -1
    return inverse
