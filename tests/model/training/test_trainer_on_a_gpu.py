"""What only a GPU can show; skipped where there is none."""

from dataclasses import replace

import pytest
import torch
from model.training.trainer import Trainer

from model.data.dataset import LabelledImages
from model.training.captured_step import CapturedStep
from model.training.recipes import RECIPES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
PLAIN = replace(RECIPES["tuned"], dropout=0)


@pytest.fixture
def images() -> LabelledImages:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(100) % 2
    noise = torch.randint(0, 60, (100, 3, 32, 32), generator=generator)
    pixels = (noise + 180 * labels[:, None, None, None]).byte()
    return LabelledImages(pixels, labels).to(torch.device("cuda"))


def trainer_on(device: str, seed: int = 0) -> Trainer:
    torch.manual_seed(seed)
    return Trainer(PLAIN, 2, torch.device(device), "fp32")


def train_epochs(trainer: Trainer, images: LabelledImages, epochs: range) -> list[float]:
    losses = []
    for epoch in epochs:
        for _ in trainer.steps(images, trainer.plan_epoch(images, 8, 0, epoch), ""):
            pass
        losses.append(trainer.finish_epoch(images)[0])
    return losses


def test_captured_steps_train_as_steps_do(
    images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured = train_epochs(trainer_on("cuda"), images, range(3))
    monkeypatch.setattr(CapturedStep, "__call__", lambda self, *batch: self._step(*batch))
    assert captured == pytest.approx(train_epochs(trainer_on("cuda"), images, range(3)), rel=1e-3)


def test_a_gpu_trains_as_the_cpu_does(images: LabelledImages) -> None:
    on_gpu = train_epochs(trainer_on("cuda"), images, range(3))
    on_cpu = train_epochs(trainer_on("cpu"), images.to(torch.device("cpu")), range(3))
    assert on_gpu == pytest.approx(on_cpu, rel=1e-2)


def test_a_training_goes_on_from_a_cpu_to_a_gpu_and_back(images: LabelledImages) -> None:
    on_cpu = images.to(torch.device("cpu"))
    whole = train_epochs(trainer_on("cpu"), on_cpu, range(3))
    first = trainer_on("cpu")
    losses = train_epochs(first, on_cpu, range(1))
    second = trainer_on("cuda", seed=1)
    second.load_state_dict(first.state_dict())
    losses += train_epochs(second, images, range(1, 2))
    third = trainer_on("cpu", seed=2)
    third.load_state_dict(second.state_dict())
    losses += train_epochs(third, on_cpu, range(2, 3))
    assert losses == pytest.approx(whole, rel=1e-2)


def test_dropout_goes_on_in_the_middle_of_an_epoch(images: LabelledImages) -> None:
    def trainer_with_dropout() -> Trainer:
        torch.manual_seed(0)
        return Trainer(RECIPES["tuned"], 2, torch.device("cuda"), "fp32")

    def take(trainer: Trainer, last: int) -> None:
        for _ in trainer.steps(images, trainer.plan_epoch(images, 8, 0, 0), ""):
            if trainer.steps_taken == last:
                break

    whole = trainer_with_dropout()
    take(whole, 13)
    stopped = trainer_with_dropout()
    take(stopped, 7)
    state = stopped.state_dict()
    other = trainer_with_dropout()
    other.load_state_dict(state)
    take(other, 13)
    expected = whole.finish_epoch(images)[0]
    assert other.finish_epoch(images)[0] == pytest.approx(expected, rel=1e-3)
