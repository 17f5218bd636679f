import pytest
import torch

from model.data.dataset import DataError
from model.data.splits import split_training_images, stratified_order, stratified_split

TEN = [f"class {number}" for number in range(10)]


def test_a_split_is_stratified_disjoint_complete_and_always_the_same() -> None:
    labels = torch.arange(1000) % 10
    remaining, held_out = stratified_split(labels, 100, TEN, "validation")
    assert torch.bincount(labels[held_out]).tolist() == [10] * 10
    assert sorted([*remaining.tolist(), *held_out.tolist()]) == list(range(1000))
    assert torch.equal(held_out, stratified_split(labels, 100, TEN, "validation")[1])


def test_a_split_follows_no_order_of_the_files() -> None:
    _, held_out = stratified_split(torch.zeros(1000, dtype=torch.int64), 500, ["one"], "validation")
    assert held_out.float().mean().item() == pytest.approx(500, abs=40)


@pytest.mark.parametrize("size", [3, 10, 500, 1005])
def test_both_parts_know_every_class_however_unbalanced(size: int) -> None:
    labels = torch.tensor([0] * 1000 + [1] * 6 + [2] * 2)
    for part in stratified_split(labels, size, ["many", "few", "two"], "validation"):
        assert len(labels[part].unique()) == 3


@pytest.mark.parametrize("size", [0, 9, 91, 100])
def test_a_split_that_would_miss_a_class_is_refused(size: int) -> None:
    with pytest.raises(DataError, match="10 to 90"):
        stratified_split(torch.arange(100) % 10, size, TEN, "validation")


def test_a_smaller_limit_takes_a_part_of_what_a_larger_takes_with_every_class_in_it() -> None:
    labels = torch.tensor([0] * 300 + [1] * 30 + [2])
    order = stratified_order(labels)
    assert sorted(order.tolist()) == list(range(331))
    assert len(labels[order[:3]].unique()) == 3
    counts = torch.bincount(labels[order[:110]])
    assert (counts - torch.tensor([100, 10, 0])).abs().max() <= 1


def test_a_tenth_validates_by_default_but_one_of_each_class_at_least() -> None:
    for images, expected in ((5000, 500), (40, 10)):
        training, validation = split_training_images(torch.arange(images) % 10, TEN, None, None)
        assert (len(training), len(validation)) == (images - expected, expected)


def test_a_limit_below_the_number_of_classes_is_refused() -> None:
    with pytest.raises(DataError, match="--limit"):
        split_training_images(torch.arange(1000) % 10, TEN, 100, 9)
