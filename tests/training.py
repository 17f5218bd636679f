"""Runs `train.py` in small."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from model.reports import read_metrics
from tests.serving import PROJECT

Process = subprocess.Popen[str]
TRAIN = [sys.executable, "train.py"]


def run_train(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*TRAIN, *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def start_train(*arguments: object, command: list[str] = TRAIN, **environment: str) -> Process:
    return Process(
        [*command, *map(str, arguments)],
        cwd=PROJECT,
        # As many threads as here, so that the results can be compared bit for bit.
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def arguments_for(folder: Path, name: str, *more: object) -> list[str]:
    few = ["--epochs", "3", "--batch-size", "4", "--validation-images", "4"]
    runs = ["--runs", folder.parent / "runs", "--name", name]
    return [*map(str, ("--data", folder, *few, *runs, *more))]


def assert_same_training(first: Path, second: Path) -> None:
    """Two runs came to the same end bit for bit, but for the time they took."""
    metrics = [
        [(row.learning_rate, row.training_loss, row.validation_loss) for row in read_metrics(run)]
        for run in (first, second)
    ]
    assert metrics[0] == metrics[1]
    states = [torch.load(run / "checkpoint.pt", weights_only=True) for run in (first, second)]
    ignored = {"seconds"}
    assert_equal(states[0], states[1], ignored)
    weights = [torch.load(run / "weights.pt", weights_only=True) for run in (first, second)]
    assert_equal(weights[0], weights[1], ignored)


def assert_equal(first: object, second: object, ignored: set[str], place: str = "") -> None:
    assert type(first) is type(second), place
    if isinstance(first, dict) and isinstance(second, dict):
        assert first.keys() == second.keys(), place
        for key in first.keys() - ignored:
            assert_equal(first[key], second[key], ignored, f"{place}/{key}")
    elif isinstance(first, list) and isinstance(second, list):
        assert len(first) == len(second), place
        for index in range(len(first)):
            assert_equal(first[index], second[index], ignored, f"{place}/{index}")
    elif isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        assert torch.equal(first, second), place
    else:
        assert first == second, place
