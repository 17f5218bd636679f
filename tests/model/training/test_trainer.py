import io
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from model.data.dataset import LabelledImages
from model.networks import to_unit_range
from model.networks.reference_cnn import ReferenceCNN
from model.training.distributed import ProcessGroup
from model.training.moving_average import MovingAverage
from model.training.recipes import RECIPES
from model.training.trainer import SharedDropout, Trainer

CPU = torch.device("cpu")


@pytest.fixture
def images() -> LabelledImages:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 2
    noise = torch.randint(0, 60, (64, 3, 32, 32), generator=generator)
    return LabelledImages((noise + 180 * labels[:, None, None, None]).byte(), labels)


def train_epoch(trainer: Trainer, images: LabelledImages, epoch: int = 1) -> tuple[float, float]:
    plan = trainer.plan_epoch(images, 8, 0, epoch)
    for _ in trainer.steps(images, plan, ""):
        pass
    return trainer.finish_epoch(images)


@pytest.mark.parametrize("recipe", ["original", "tuned"])
def test_every_recipe_learns_what_is_easy(images: LabelledImages, recipe: str) -> None:
    torch.manual_seed(0)
    trainer = Trainer(RECIPES[recipe], 2, CPU, "fp32")
    first_loss, _ = train_epoch(trainer, images)
    for epoch in (2, 3, 4):
        last_loss, _ = train_epoch(trainer, images, epoch)
    _, accuracy = trainer.validate(images)
    assert last_loss < first_loss
    assert accuracy == 1.0


def test_the_same_seed_gives_the_same_weights(images: LabelledImages) -> None:
    def train(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        trainer = Trainer(RECIPES["tuned"], 2, CPU, "fp32")
        train_epoch(trainer, images)
        return trainer.network.output.weight.detach()

    assert torch.equal(train(1), train(1))
    assert not torch.equal(train(1), train(2))


def test_weight_decay_of_adam_is_the_gradient_of_keras_l2() -> None:
    weight = torch.randn(5, requires_grad=True)
    l2 = 1e-3
    (l2 * weight.square().sum()).backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, RECIPES["original"].weight_decay * weight.detach())


def test_the_averaged_weights_are_what_is_validated_and_kept(images: LabelledImages) -> None:
    torch.manual_seed(0)
    trainer = Trainer(replace(RECIPES["tuned"], average_decay=0.5), 2, CPU, "fp32")
    train_epoch(trainer, images)
    assert trainer.average is not None
    averaged = trainer.average.network.state_dict()
    trained = trainer.network.state_dict()
    assert 0 < (averaged["output.weight"] - trained["output.weight"]).abs().max() < 0.05

    kept = trainer.weights()
    assert all(torch.equal(kept[name], value) for name, value in averaged.items())

    net = ReferenceCNN(2, 0.0).eval()
    net.load_state_dict(kept)
    loss = cross_entropy(net(to_unit_range(images.pixels)), images.labels).item()
    assert trainer.validate(images)[0] == pytest.approx(loss, rel=1e-4, abs=1e-6)


def test_kept_weights_do_not_change_when_training_goes_on(images: LabelledImages) -> None:
    torch.manual_seed(0)
    trainer = Trainer(RECIPES["tuned"], 2, CPU, "fp32")
    kept = trainer.weights()["output.weight"]
    before = kept.clone()
    train_epoch(trainer, images)
    assert torch.equal(kept, before)


def test_the_moving_average_forgets_its_beginning_soon_and_its_past_slowly() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(net.weight)
    average = MovingAverage(net, decay=0.99)
    torch.nn.init.ones_(net.weight)
    for _ in range(20):
        average.update()
    assert next(average.network.parameters()).item() > 0.99
    average.steps.fill_(100_000)
    torch.nn.init.zeros_(net.weight)
    before = next(average.network.parameters()).item()
    average.update()
    assert next(average.network.parameters()).item() == pytest.approx(0.99 * before, abs=1e-6)


def test_a_step_is_the_textbook_one_without_augmentation_and_dropout(
    images: LabelledImages,
) -> None:
    plain = replace(
        RECIPES["original"], dropout=0, rotation_degrees=0, translate=0, label_smoothing=0.1
    )
    torch.manual_seed(0)
    trainer = Trainer(plain, 2, CPU, "fp32")
    trainer.augment.flip = 0
    torch.manual_seed(0)
    net = ReferenceCNN(2, 0.0)
    others = [value for name, value in net.named_parameters() if name != "dense.weight"]
    optimizer = torch.optim.Adam([{"params": others}], lr=plain.learning_rate)
    optimizer.add_param_group({"params": [net.dense.weight], "weight_decay": plain.weight_decay})
    plan = trainer.plan_epoch(images, 8, 0, 1)
    for number, _ in enumerate(trainer.steps(images, plan, "")):
        batch = images.subset(plan.order[8 * number : 8 * number + 8])
        logits = net(to_unit_range(batch.pixels))
        optimizer.zero_grad()
        cross_entropy(logits, batch.labels, label_smoothing=0.1).backward()
        optimizer.step()
    for ours, theirs in zip(trainer.network.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own(images: LabelledImages) -> None:
    trainer = Trainer(RECIPES["tuned"], 2, CPU, "fp32")
    first, second = (trainer.plan_epoch(images, 8, 0, epoch) for epoch in (1, 2))
    assert sorted(first.order.tolist()) == list(range(len(images)))
    assert first.order.tolist() != second.order.tolist()
    again = trainer.plan_epoch(images, 8, 0, 1)
    assert torch.equal(first.order, again.order)
    assert torch.equal(first.inverse, again.inverse)


def test_dropout_drops_the_share_asked_for_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropout = SharedDropout(0.25, ProcessGroup())
    dropout.batch_size = 1000
    dropped = dropout(torch.ones(1000, 100))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert torch.equal(dropout.eval()(torch.ones(2, 2)), torch.ones(2, 2))


def test_two_processes_drop_what_one_would() -> None:
    activations = torch.ones(7, 5)
    masks = []
    for rank, size in ((0, 1), (0, 2), (1, 2)):
        processes = ProcessGroup(rank=rank, size=size)
        dropout = SharedDropout(0.5, processes)
        dropout.batch_size = 7
        torch.manual_seed(0)
        masks.append(dropout(activations[processes.own_part(7)]))
    assert torch.equal(masks[0], torch.cat(masks[1:]))


@pytest.mark.parametrize("steps", [3, 8])
def test_a_trainer_goes_on_from_its_state_bit_for_bit(images: LabelledImages, steps: int) -> None:
    def trainer_for(seed: int) -> Trainer:
        torch.manual_seed(seed)
        return Trainer(RECIPES["tuned"], 2, CPU, "fp32")

    def take(trainer: Trainer, last: int) -> None:
        for _ in trainer.steps(images, trainer.plan_epoch(images, 8, 0, 1), ""):
            if trainer.steps_taken == last:
                break

    whole = trainer_for(0)
    take(whole, 8)
    expected = (whole.finish_epoch(images), whole.weights(), torch.rand(1))

    stopped = trainer_for(0)
    take(stopped, steps)
    saved = io.BytesIO()
    torch.save(stopped.state_dict(), saved)
    torch.rand(5)
    other = trainer_for(1)
    other.load_state_dict(torch.load(io.BytesIO(saved.getvalue()), weights_only=True))
    take(other, 8)
    result = (other.finish_epoch(images), other.weights(), torch.rand(1))
    assert result[0] == expected[0]
    assert all(torch.equal(result[1][name], expected[1][name]) for name in expected[1])
    assert torch.equal(result[2], expected[2])


def test_bf16_trains_as_well(images: LabelledImages) -> None:
    torch.manual_seed(0)
    trainer = Trainer(RECIPES["tuned"], 2, CPU, "bf16")
    for epoch in range(4):
        train_epoch(trainer, images, epoch)
    assert trainer.validate(images)[1] == 1.0
    assert trainer.network.output.weight.dtype == torch.float32
