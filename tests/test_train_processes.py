"""Several processes train one net as a single one would."""

import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

import train
from model.reports import read_metrics
from tests.training import Process, arguments_for, start_train

MakeFolder = Callable[..., Path]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
TWO_PROCESSES = [*TORCHRUN, "--standalone", "--nproc-per-node", "2"]
# In float32 the order of a sum is all that differs. 21 images in batches of 5 leave one for the
# last step, in which one of two processes has nothing to do.
EXACT = ("--precision", "fp32", "--device", "cpu", "--validation-images", 3, "--batch-size", 5)


def assert_nearly_same_training(first: Path, second: Path) -> None:
    for ours, theirs in zip(read_metrics(first), read_metrics(second), strict=True):
        for metric in ("training_loss", "validation_loss"):
            assert getattr(ours, metric) == pytest.approx(getattr(theirs, metric), rel=1e-4)
        assert ours.training_accuracy == theirs.training_accuracy
        assert ours.validation_accuracy == theirs.validation_accuracy
    weights = [torch.load(run / "weights.pt", weights_only=True) for run in (first, second)]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], atol=1e-4, rtol=1e-3)


def finish(process: Process, exit_code: int = 0) -> str:
    output, error = process.communicate(timeout=200)
    assert process.returncode == exit_code, error
    return output


def test_two_processes_train_as_one_does(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder()
    runs = folder.parent / "runs"
    process = start_train(
        *arguments_for(folder, "two", *EXACT), command=[*TWO_PROCESSES, "train.py"]
    )
    output = finish(process)
    assert output.count("epoch   1/3") == 1
    assert "batch 5, shared by 2 processes" in output
    assert train.main(arguments_for(folder, "one", *EXACT)) == 0
    assert_nearly_same_training(runs / "two", runs / "one")
    report = "classification_report.txt"
    assert (runs / "two" / report).read_text() == (runs / "one" / report).read_text()


def test_processes_on_two_machines_train_as_one_does(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder()
    runs = folder.parent / "runs"
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port = opened.getsockname()[1]
    command = [*TORCHRUN, "--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1"]
    machines = [
        start_train(
            *arguments_for(folder, "two", *EXACT),
            command=[*command, "--master-port", str(port), "--node-rank", rank, "train.py"],
        )
        for rank in ("0", "1")
    ]
    outputs = [finish(machine) for machine in machines]
    assert ["epoch   1/3" in output for output in outputs] == [True, False]
    assert train.main(arguments_for(folder, "one", *EXACT)) == 0
    assert_nearly_same_training(runs / "two", runs / "one")


def test_a_killed_worker_is_started_again_and_goes_on_from_the_checkpoint(
    make_image_folder: MakeFolder,
) -> None:
    folder = make_image_folder()
    runs = folder.parent / "runs"
    many = (*EXACT, "--no-test", "--epochs", 60, "--checkpoint-seconds", 0)
    command = [*TWO_PROCESSES, "--max-restarts", "1", "train.py"]
    process = start_train(*arguments_for(folder, "killed", *many), command=command)
    wait_for_epoch(runs / "killed", process, 3)
    workers = [
        child
        for child in psutil.Process(process.pid).children()
        if "train.py" in " ".join(child.cmdline())
    ]
    assert len(workers) == 2
    workers[1].kill()
    output = finish(process)
    assert "going on after epoch" in output
    assert train.main(arguments_for(folder, "one", *many)) == 0
    assert_nearly_same_training(runs / "killed", runs / "one")


def test_processes_stop_together_and_a_different_number_goes_on(
    make_image_folder: MakeFolder,
) -> None:
    folder = make_image_folder()
    runs = folder.parent / "runs"
    many = (*EXACT, "--no-test", "--epochs", 60)
    process = start_train(
        *arguments_for(folder, "stopped", *many), command=[*TWO_PROCESSES, "train.py"]
    )
    wait_for_epoch(runs / "stopped", process, 3)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"train.py --resume {runs / 'stopped'}" in error
    assert error.count("everything is saved") == 1
    assert train.main(["--resume", str(runs / "stopped")]) == 0
    assert train.main(arguments_for(folder, "one", *many)) == 0
    assert_nearly_same_training(runs / "stopped", runs / "one")


def wait_for_epoch(run: Path, process: Process, epoch: int) -> None:
    metrics = run / "metrics.csv"
    while not metrics.exists() or metrics.read_text().count("\n") <= epoch:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
