"""Runs `train.py` in small."""

import io
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch

import train
from model import PROJECT
from model.training.metrics import METRICS_FILE_NAME
from tests.helpers.waiting import wait_until

Process = subprocess.Popen[str]
TRAIN = [sys.executable, "train.py"]


@dataclass(frozen=True)
class FinishedRun:
    """A run, the pictures that it was trained on, and what the training printed."""

    path: Path
    pictures: Path
    output: str

    def copy(self, directory: Path) -> Path:
        """Copy the run into ``directory``, for a test that changes it."""
        return shutil.copytree(self.path, directory / self.path.name)


def train_once(pictures: Path, name: str, *more: object) -> FinishedRun:
    output = io.StringIO()
    with redirect_stdout(output):
        assert train.main(arguments_for(pictures, name, *more)) == 0
    return FinishedRun(pictures.parent / "runs" / name, pictures, output.getvalue())


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
    few = ["--from-scratch", "--epochs", "3", "--batch-size", "4", "--validation-images", "4"]
    runs = ["--runs", folder.parent / "runs", "--name", name]
    return [*map(str, ("--data", folder, *few, *runs, *more))]


def wait_for_epoch(run: Path, epoch: int, process: Process | None = None) -> None:
    """Wait until ``epoch`` of a run is done, which ``process`` trains if there is one."""
    metrics = run / METRICS_FILE_NAME

    def is_done() -> bool:
        assert process is None or process.poll() is None, process.communicate()
        return metrics.exists() and metrics.read_text().count("\n") > epoch

    wait_until(is_done, pause=0.001)


def assert_same_training(first: Path, second: Path) -> None:
    """Two runs came to the same end bit for bit, but for the time they took."""
    for file in ("checkpoint.pt", "weights.pt"):
        assert_equal(*(torch.load(run / file, weights_only=True) for run in (first, second)))


def assert_equal(first: object, second: object, place: str = "") -> None:
    assert type(first) is type(second), place
    if isinstance(first, dict) and isinstance(second, dict):
        assert first.keys() == second.keys(), place
        for key in first.keys() - {"seconds"}:
            assert_equal(first[key], second[key], f"{place}/{key}")
    elif isinstance(first, list) and isinstance(second, list):
        assert len(first) == len(second), place
        for index in range(len(first)):
            assert_equal(first[index], second[index], f"{place}/{index}")
    elif isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        assert torch.equal(first, second), place
    else:
        assert first == second, place
