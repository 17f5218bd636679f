"""Several processes train one net as a single one would."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
import torch

import train
from benchmarks.common.server import free_ports
from model.training.metrics import EpochMetrics, read_metrics
from tests.helpers.training import (
    FinishedRun,
    Process,
    arguments_for,
    start_train,
    train_once,
    wait_for_epoch,
)

TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
TWO_PROCESSES = [*TORCHRUN, "--standalone", "--nproc-per-node", "2"]
# In float32 the order of a sum is all that differs. 21 images in batches of 5 leave one for the
# last step, in which one of two processes has nothing to do.
EXACT = ("--precision", "fp32", "--device", "cpu", "--validation-images", 3, "--batch-size", 5)
# Two processes with two threads each would wait for one another on two cores.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
MANY = ("--no-test", "--epochs", 15)


def assert_nearly_same_training(
    first: Sequence[EpochMetrics], second: Sequence[EpochMetrics]
) -> None:
    for ours, theirs in zip(first, second, strict=True):
        assert ours.training_loss == pytest.approx(theirs.training_loss, rel=1e-4)
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, rel=1e-4)
        assert ours.training_accuracy == theirs.training_accuracy
        assert ours.validation_accuracy == theirs.validation_accuracy


def assert_same_end(first: Path, second: Path) -> None:
    assert_nearly_same_training(read_metrics(first), read_metrics(second))
    weights = [torch.load(run / "weights.pt", weights_only=True) for run in (first, second)]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], atol=1e-4, rtol=1e-3)


def finish(process: Process) -> str:
    output, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    return output


@pytest.fixture(scope="module")
def alone(pictures: Path) -> FinishedRun:
    return train_once(pictures, "alone", *EXACT, *MANY)


def test_processes_on_two_machines_train_as_one_does(pictures: Path, alone: FinishedRun) -> None:
    (port,) = free_ports(1)
    command = [*TORCHRUN, "--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1"]
    machines = [
        start_train(
            *arguments_for(pictures, "machines", *EXACT),
            command=[*command, "--master-port", str(port), "--node-rank", rank, "train.py"],
            **ONE_THREAD,
        )
        for rank in ("0", "1")
    ]
    first, second = [finish(machine) for machine in machines]
    assert first.count("epoch   1/3") == 1
    assert "2 processes" in first
    assert "accuracy 87.50%" in first
    assert second == ""
    run = alone.path.with_name("machines")
    assert_nearly_same_training(read_metrics(run), read_metrics(alone.path)[:3])


def test_a_killed_worker_is_started_again_and_goes_on_from_the_checkpoint(
    alone: FinishedRun,
) -> None:
    run = alone.path.with_name("worker-killed")
    arguments = arguments_for(alone.pictures, run.name, *EXACT, *MANY, "--checkpoint-seconds", 0)
    command = [*TWO_PROCESSES, "--max-restarts", "1", "train.py"]
    process = start_train(*arguments, command=command, **ONE_THREAD)
    wait_for_epoch(run, 2, process)
    workers = [
        child
        for child in psutil.Process(process.pid).children()
        if "train.py" in " ".join(child.cmdline())
    ]
    assert len(workers) == 2
    workers[1].kill()
    output = finish(process)
    assert "after epoch" in output
    assert_same_end(run, alone.path)


def test_processes_stop_together_and_a_different_number_goes_on(alone: FinishedRun) -> None:
    run = alone.path.with_name("workers-stopped")
    arguments = arguments_for(alone.pictures, run.name, *EXACT, *MANY)
    process = start_train(*arguments, command=[*TWO_PROCESSES, "train.py"], **ONE_THREAD)
    wait_for_epoch(run, 2, process)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"train.py --resume {run}" in error
    assert error.count("everything is saved") == 1
    assert train.main(["--resume", str(run)]) == 0
    assert_same_end(run, alone.path)
