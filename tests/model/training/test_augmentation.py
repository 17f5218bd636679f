from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.training.augmentation import GROUP_SIZE, augment_in_groups, create_augmentation
from model.training.recipes import RECIPES, Recipe

SIDE = 32
PLAIN = replace(RECIPES["tuned"], rotation_degrees=0, translate=0)


def augment(recipe: Recipe, images: Tensor) -> Tensor:
    torch.manual_seed(0)
    return augment_in_groups(create_augmentation(recipe, SIDE), images)


def repeat(image: Tensor, groups: int) -> Tensor:
    return image.expand(groups * GROUP_SIZE, -1, -1, -1)


def test_half_of_the_groups_are_mirrored_and_the_others_left_alone() -> None:
    images = repeat(torch.rand(1, 3, SIDE, SIDE), groups=400)
    results = augment(PLAIN, images)
    mirrored = (results == images.flip(-1)).flatten(1).all(dim=1)
    untouched = (results == images).flatten(1).all(dim=1)
    assert (mirrored ^ untouched).all()
    assert mirrored.float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_shifts_are_whole_pixels_up_to_the_largest_and_repeat_the_edge() -> None:
    columns = torch.arange(SIDE).expand(1, 3, SIDE, SIDE).float()
    results = augment(replace(PLAIN, translate=0.1), repeat(columns, groups=200))
    found = set()
    for rows in results[::GROUP_SIZE, 0]:
        row = rows[0] if rows[0, 0] < rows[0, -1] else rows[0].flip(0)
        shift = int(row[SIDE // 2]) - SIDE // 2
        found.add(shift)
        assert torch.equal(row, (torch.arange(SIDE) + shift).clamp(0, SIDE - 1).float())
    # A mirrored image is shifted to the other side.
    assert found == set(range(-3, 4))


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_share_that_is_rotated_is_the_one_asked_for(share: float) -> None:
    images = repeat(torch.rand(1, 3, SIDE, SIDE), groups=300)
    results = augment(replace(PLAIN, rotation_degrees=15, rotated=share), images)
    inner = slice(8, 24)
    same = [
        (results == whole)[..., inner, inner].flatten(1).all(dim=1)
        for whole in (images, images.flip(-1))
    ]
    assert 1 - (same[0] | same[1]).float().mean().item() == pytest.approx(share, abs=0.08)


def test_a_square_of_the_size_asked_for_is_covered() -> None:
    results = augment(replace(PLAIN, cutout=0.25), repeat(torch.ones(1, 3, SIDE, SIDE), groups=20))
    covered = results[:, 0] == 0.5
    for axis in (1, 2):
        assert (covered.any(dim=axis).sum(dim=1) == SIDE / 4).all()
    assert len({tuple(mask.flatten().tolist()) for mask in covered}) > 10


def test_no_corner_from_outside_of_the_padding_comes_into_view() -> None:
    widest = replace(PLAIN, rotation_degrees=180, rotated=1.0, translate=0.2)
    assert augment(widest, torch.ones(400, 3, SIDE, SIDE)).min() > 0.99


def test_a_group_shares_a_draw_and_no_two_groups_do() -> None:
    images = repeat(torch.rand(1, 3, SIDE, SIDE), groups=8)
    results = augment(replace(RECIPES["tuned"], rotated=1.0), images)
    assert len({tuple(result.flatten().tolist()) for result in results}) == 8
