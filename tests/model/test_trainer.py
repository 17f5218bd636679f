from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from model.data import LabelledImages
from model.preprocessing import to_unit_range
from model.recipes import RECIPES
from model.reference_cnn import ReferenceCNN
from model.trainer import Trainer, moving_average

CPU = torch.device("cpu")


@pytest.fixture
def images() -> LabelledImages:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 2
    noise = torch.randint(0, 60, (64, 3, 32, 32), generator=generator)
    return LabelledImages((noise + 180 * labels[:, None, None, None]).byte(), labels)


def test_cross_entropy_of_indices_is_categorical_cross_entropy_of_one_hot_targets() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 10), torch.randint(0, 10, (50,))
    targets = one_hot(labels, 10).float()
    categorical = -(targets * logits.softmax(dim=1).log()).sum(dim=1).mean()
    assert cross_entropy(logits, labels).item() == pytest.approx(categorical.item(), rel=1e-5)


@pytest.mark.parametrize("recipe", ["original", "reference"])
def test_every_recipe_learns_what_is_easy(images: LabelledImages, recipe: str) -> None:
    torch.manual_seed(0)
    trainer = Trainer(RECIPES[recipe], 2, CPU, "fp32")
    first_loss, _ = trainer.train_epoch(images, 8, "")
    for _ in range(3):
        last_loss, _ = trainer.train_epoch(images, 8, "")
    _, accuracy = trainer.validate(images)
    assert last_loss < first_loss
    assert accuracy == 1.0


def test_the_same_seed_gives_the_same_weights(images: LabelledImages) -> None:
    def train(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        trainer = Trainer(RECIPES["reference"], 2, CPU, "fp32")
        trainer.train_epoch(images, 8, "")
        return trainer.net.output.weight.detach()

    assert torch.equal(train(1), train(1))
    assert not torch.equal(train(1), train(2))


def test_the_original_recipe_decays_the_dense_layer_alone_and_never_a_bias() -> None:
    decayed, others = Trainer(RECIPES["original"], 10, CPU, "fp32").optimizer.param_groups
    assert decayed["weight_decay"] == 2e-3
    assert [tuple(weight.shape) for weight in decayed["params"]] == [(128, 2304)]
    assert others["weight_decay"] == 0
    assert len(others["params"]) == 7


def test_weight_decay_of_adam_is_the_gradient_of_keras_l2() -> None:
    weight = torch.randn(5, requires_grad=True)
    l2 = 1e-3
    (l2 * weight.square().sum()).backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, RECIPES["original"].weight_decay * weight.detach())


def test_the_averaged_weights_are_what_is_validated_and_saved(
    images: LabelledImages, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    trainer = Trainer(replace(RECIPES["reference"], average_decay=0.5), 2, CPU, "fp32")
    trainer.train_epoch(images, 8, "")
    assert trainer.averaged_net is not None
    averaged = trainer.averaged_net.module.state_dict()
    trained = trainer.net.state_dict()
    assert 0 < (averaged["output.weight"] - trained["output.weight"]).abs().max() < 0.05

    trainer.save_weights(tmp_path / "weights.pt")
    saved = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert all(torch.equal(saved[name], value) for name, value in averaged.items())

    net = ReferenceCNN(2, 0.0).eval()
    net.load_state_dict(saved)
    loss = cross_entropy(net(to_unit_range(images.pixels)), images.labels).item()
    assert trainer.validate(images)[0] == pytest.approx(loss, rel=1e-4, abs=1e-6)


def test_the_moving_average_forgets_its_beginning_soon_and_its_past_slowly() -> None:
    average = moving_average(0.99)
    value, target = torch.zeros(()), torch.ones(())
    for step in range(1, 20):
        value = average(value, target, torch.tensor(step))
    assert value > 0.99
    assert average(torch.zeros(()), target, 100_000).item() == pytest.approx(0.01, abs=1e-6)


def test_bf16_trains_as_well(images: LabelledImages) -> None:
    torch.manual_seed(0)
    trainer = Trainer(RECIPES["reference"], 2, CPU, "bf16")
    for _ in range(4):
        trainer.train_epoch(images, 8, "")
    assert trainer.validate(images)[1] == 1.0
    assert trainer.net.output.weight.dtype == torch.float32
