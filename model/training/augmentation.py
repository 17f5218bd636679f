"""Random flips, shifts and rotations of a whole batch at once, drawn for each image.

torchvision's own transforms draw one set of parameters for each tensor, so they would rotate all
images of a batch by one angle. The transform here draws parameters for each image, from the same
distributions, and applies all of them in one step.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2


class BatchedRandomAffine(v2.Transform):
    """Mirrors, rotates and shifts each image of a batch.

    It does what ``v2.RandomHorizontalFlip`` and then ``v2.RandomAffine`` do. Angles are uniform in
    ±``degrees``; shifts are uniform in ±``translate`` of the side and then rounded to whole pixels.
    Pixels from outside the image repeat the nearest pixel of its edge (as ``fill_mode="nearest"``
    does in Keras). Sampling is bilinear, so an image that is not rotated keeps its pixels exactly.

    Args:
        degrees: largest angle, in degrees.
        translate: largest shift, as a fraction of the side.
        rotated: probability in [0, 1] that an image is rotated at all. Rotation blurs, and a
            network that sees only blurred images does worse on sharp ones.
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
        """Draw the parameters of each image.

        Args:
            flat_inputs: the batch, ``(N, C, S, S)``, as the only item; only its shape is used.

        Returns:
            ``flipped``, bool ``(N,)``; ``angle`` in degrees, float ``(N,)``; ``translate`` in
            pixels, float ``(N, 2)``; and the matrices that follow from them, ``inverse``, float
            ``(N, 2, 3)``, which map each pixel of the result to its source, in units of half a
            side. All of them are on the CPU.
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
        """Mirror the images, rotate them clockwise about their centres, and shift them.

        Args:
            inpt: float ``(N, C, S, S)``.
            params: the result of :meth:`make_params`, of which only ``inverse`` is used.

        Returns:
            Float ``(N, C, S, S)``.
        """
        if len(inpt) == 0:
            # The part that a process takes of a small batch may be empty; a grid may not.
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
