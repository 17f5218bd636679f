import math

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from model.training.augmentation import BatchedRandomAffine

IMAGES = 4000


def test_affine_gives_each_image_what_torchvision_gives_it_alone() -> None:
    torch.manual_seed(0)
    images = torch.rand(32, 3, 32, 32)
    transform = BatchedRandomAffine(degrees=15, translate=0.1)
    parameters = transform.make_params([images])
    batched = transform.transform(images, parameters)
    drawn = zip(*(parameters[name] for name in ("flipped", "angle", "translate")), strict=True)
    for image, (flipped, angle, shift), result in zip(images, drawn, batched, strict=True):
        mirrored = functional.horizontal_flip(image) if flipped else image
        # Repeating the edge, which torchvision's affine can't, is padding that is cut off again.
        padded = functional.pad(mirrored, [16] * 4, padding_mode="edge")
        turned = functional.affine(
            padded,
            angle=angle.item(),
            translate=shift.tolist(),
            scale=1.0,
            shear=[0.0, 0.0],
            interpolation=v2.InterpolationMode.BILINEAR,
        )
        torch.testing.assert_close(
            functional.center_crop(turned, [32, 32]), result, atol=1e-4, rtol=0
        )


def test_affine_draws_its_parameters_as_torchvision_does() -> None:
    torch.manual_seed(0)
    image = torch.zeros(1, 3, 32, 32)
    ours = BatchedRandomAffine(degrees=15, translate=0.1).make_params(
        [image.expand(IMAGES, -1, -1, -1)]
    )
    single = v2.RandomAffine(degrees=15, translate=(0.1, 0.1))
    theirs = [single.make_params([image]) for _ in range(IMAGES)]
    their_angles = torch.tensor([drawn["angle"] for drawn in theirs])
    assert kolmogorov_smirnov(ours["angle"], their_angles) < critical_distance(IMAGES)
    for axis in (0, 1):
        their_shifts = torch.tensor([drawn["translate"][axis] for drawn in theirs])
        assert set(ours["translate"][:, axis].tolist()) == set(their_shifts.tolist())
        shares = [
            torch.bincount(shifts.int() + 3) / IMAGES
            for shifts in (ours["translate"][:, axis], their_shifts)
        ]
        assert (shares[0] - shares[1]).abs().max() < 0.03


def kolmogorov_smirnov(first: torch.Tensor, second: torch.Tensor) -> float:
    points = torch.cat([first, second]).sort().values
    cumulated = [
        torch.searchsorted(sample.sort().values, points, right=True) / len(sample)
        for sample in (first, second)
    ]
    return float((cumulated[0] - cumulated[1]).abs().max())


def critical_distance(samples: int) -> float:
    """Two samples of one distribution are farther apart than this once in a thousand times."""
    return 1.95 * math.sqrt(2 / samples)


def test_images_of_a_batch_are_drawn_independently() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 32, 32).expand(64, -1, -1, -1)
    results = BatchedRandomAffine(degrees=15, translate=0.1)(image)
    assert len({tuple(result.flatten().tolist()) for result in results}) == 64


def test_an_image_that_is_not_turned_keeps_its_pixels_sharp() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 3, 32, 32)
    shifted = BatchedRandomAffine(degrees=15, translate=0.1, rotated=0, flip=0)(images)
    inner = slice(8, 24)
    for image, result in zip(images, shifted, strict=True):
        windows = image.unfold(1, 16, 1).unfold(2, 16, 1).permute(1, 2, 0, 3, 4)
        distance = (windows - result[:, inner, inner]).abs().amax(dim=(2, 3, 4))
        assert distance.min() < 1e-4


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_share_of_turned_images_is_the_one_asked_for(share: float) -> None:
    torch.manual_seed(0)
    transform = BatchedRandomAffine(degrees=15, translate=0.1, rotated=share)
    angles = transform.make_params([torch.zeros(IMAGES, 3, 32, 32)])["angle"]
    assert (angles != 0).float().mean().item() == pytest.approx(share, abs=0.03)


def test_flip_mirrors_half_of_the_images_and_leaves_the_others() -> None:
    torch.manual_seed(0)
    images = torch.rand(IMAGES, 1, 2, 2).round(decimals=4)
    results = BatchedRandomAffine(degrees=0, translate=0)(images).round(decimals=4)
    mirrored = (results == images.flip(-1)).flatten(1).all(dim=1)
    untouched = (results == images).flatten(1).all(dim=1)
    assert (mirrored ^ untouched).all()
    assert mirrored.float().mean().item() == pytest.approx(0.5, abs=0.03)
