from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.data.dataset import LabelledImages
from model.training.batches import Batch, batches, create_augmentation, weigh_classes
from model.training.config import Config
from model.training.distributed import ProcessGroup
from model.training.recipes import RECIPES, Recipe

SIDE = 32
PLAIN = replace(RECIPES["tuned"], rotation_degrees=0, translate=0)
CONFIG = replace(Config(), batch_size=8, epochs=2)
ALONE = ProcessGroup()


@pytest.fixture
def images() -> LabelledImages:
    """Twenty-one images, each of one grey value, in which augmentation changes nothing."""
    values = torch.arange(21)
    return LabelledImages(values.byte()[:, None, None, None].expand(-1, 3, 32, 32), values)


def read(
    images: LabelledImages, epoch: int, steps_done: int = 0, processes: ProcessGroup = ALONE
) -> list[Batch]:
    return list(batches(images, CONFIG, epoch, steps_done, processes))


def order(read: list[Batch]) -> list[int]:
    return torch.cat([batch.labels for batch in read]).tolist()


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own(images: LabelledImages) -> None:
    first = read(images, 1)
    assert [batch.size for batch in first] == [8, 8, 5]
    assert sorted(order(first)) == list(range(21))
    assert order(first) == order(read(images, 1)) != order(read(images, 2))
    for batch in first:
        assert torch.allclose(batch.images[:, 0, 0, 0] * 255, batch.labels.float())


def test_an_epoch_goes_on_after_the_steps_that_are_done(images: LabelledImages) -> None:
    assert order(read(images, 1, steps_done=2)) == order(read(images, 1))[16:]


def test_processes_share_the_batches_of_one(images: LabelledImages) -> None:
    parts = []
    for rank in range(3):
        torch.manual_seed(0)
        parts.append(read(images, 1, processes=ProcessGroup(rank=rank, size=3)))
    torch.manual_seed(0)
    for whole, *shared in zip(read(images, 1), *parts, strict=True):
        assert torch.equal(whole.images, torch.cat([part.images for part in shared]))
        assert {part.size for part in shared} == {whole.size}


def test_balanced_classes_weigh_the_same() -> None:
    labels = torch.tensor([0] * 30 + [1] * 10)
    images = LabelledImages(torch.empty(40, 3, 1, 1), labels)
    weights = weigh_classes(images, 2, "balanced")
    assert weights is not None
    assert (weights * torch.bincount(labels)).tolist() == pytest.approx([20, 20])
    assert weigh_classes(images, 2, "none") is None


def test_each_image_is_mirrored_in_every_other_epoch_of_the_strong_recipe() -> None:
    recipe = replace(RECIPES["strong"], translate=0, trivial_augment=0, noise=0, cutout=0)
    config = replace(CONFIG, recipe=recipe)
    pixels = torch.randint(256, (21, 3, 32, 32), dtype=torch.uint8)
    images = LabelledImages(pixels, torch.arange(21))
    found = []
    for epoch in (1, 2, 3):
        shown = torch.empty(21, 3, 32, 32)
        for batch in batches(images, config, epoch, 0, ALONE):
            shown[batch.labels] = batch.images
        is_mirrored = (shown == pixels.flip(-1) / 255).flatten(1).all(dim=1)
        assert (is_mirrored ^ (shown == pixels / 255).flatten(1).all(dim=1)).all()
        found.append(is_mirrored)
    assert torch.equal(found[0], ~found[1])
    assert torch.equal(found[0], found[2])
    assert 0 < found[0].sum() < 21


def augment(recipe: Recipe, images: Tensor) -> Tensor:
    augmentation = create_augmentation(recipe, SIDE)
    return torch.stack([augmentation(image) for image in images])


def test_shifts_are_whole_pixels_up_to_the_largest_and_repeat_the_edge() -> None:
    columns = torch.arange(SIDE).expand(200, 3, SIDE, SIDE).float()
    results = augment(replace(PLAIN, translate=0.1), columns)
    found = set()
    for rows in results[:, 0]:
        row = rows[0] if rows[0, 0] < rows[0, -1] else rows[0].flip(0)
        shift = int(row[SIDE // 2]) - SIDE // 2
        found.add(shift)
        assert torch.equal(row, (torch.arange(SIDE) + shift).clamp(0, SIDE - 1).float())
    # A mirrored image is shifted to the other side.
    assert found == set(range(-3, 4))


def test_a_square_of_the_size_asked_for_is_covered() -> None:
    results = augment(replace(PLAIN, cutout=0.25), torch.ones(20, 3, SIDE, SIDE))
    covered = results[:, 0] == 0.5
    for axis in (1, 2):
        assert (covered.any(dim=axis).sum(dim=1) == SIDE / 4).all()
    assert len({tuple(mask.flatten().tolist()) for mask in covered}) > 10


def test_the_shares_asked_for_get_noise_and_another_change() -> None:
    grey = torch.full((400, 3, SIDE, SIDE), 0.5)
    noisy = augment(replace(PLAIN, noise=0.25), grey)
    deviations = noisy.flatten(1).std(dim=1)
    assert (deviations > 0.01).float().mean() == pytest.approx(0.25, abs=0.07)
    assert {round(value, 2) for value in deviations.tolist()} == {0, 0.02, 0.05, 0.1}
    columns = (torch.arange(SIDE) / SIDE).expand(400, 3, SIDE, SIDE)
    changed = augment(replace(PLAIN, trivial_augment=0.5), columns)
    is_same = ((changed == columns) | (changed == columns.flip(-1))).flatten(1).all(dim=1)
    # One of the fourteen operations is to change nothing, and others can be drawn so weak.
    assert is_same.float().mean() == pytest.approx(0.6, abs=0.1)


def test_no_corner_from_outside_of_the_padding_comes_into_view() -> None:
    widest = replace(PLAIN, rotation_degrees=45, rotated=1.0, translate=0.2)
    assert augment(widest, torch.ones(100, 3, SIDE, SIDE)).min() > 0.99
