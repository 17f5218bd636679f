"""What only a GPU can show; skipped where there is none."""

from pathlib import Path

import pytest
import torch

import train
from model.training.devices import CapturedStep
from model.training.metrics import read_metrics
from tests.helpers.training import FinishedRun, train_once

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
# Six steps an epoch, of which the last batch is smaller than the others.
SETTINGS = ("--no-test", "--batch-size", 4, "--validation-images", 2, "--precision", "fp32")


def train_on(device: str, pictures: Path, name: str, *more: object) -> FinishedRun:
    # A GPU and a CPU draw different numbers for dropout.
    return train_once(pictures, name, *SETTINGS, "--device", device, "--dropout", 0, *more)


def losses(run: Path) -> list[float]:
    return [row.training_loss for row in read_metrics(run)]


def test_captured_steps_train_as_steps_do(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captured = train_on("cuda", pictures, "captured").path
    monkeypatch.setattr(CapturedStep, "__call__", lambda self, batch: self._step(batch))
    plain = train_on("cuda", pictures, "plain").path
    assert losses(captured) == pytest.approx(losses(plain), rel=1e-3)


def test_a_training_goes_on_from_a_cpu_to_a_gpu_and_back(pictures: Path) -> None:
    whole = train_on("cpu", pictures, "whole").path
    moving = train_on("cpu", pictures, "moving", "--epochs", 1).path
    for epochs, device in ((2, "cuda"), (3, "cpu")):
        arguments = ["--resume", moving, "--epochs", epochs, "--device", device]
        assert train.main(list(map(str, arguments))) == 0
    assert losses(moving) == pytest.approx(losses(whole), rel=1e-2)
