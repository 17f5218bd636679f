"""A training that was stopped, killed or starved of disk ends as if nothing had happened."""

import fcntl
import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import torch

import train
from model.inference.card import ModelCard
from model.training.command import STOP_SIGNALS, Stopped, StopSignals
from model.training.metrics import read_metrics
from tests.helpers.pictures import write_image_folder
from tests.helpers.training import (
    TRAIN,
    FinishedRun,
    arguments_for,
    assert_same_training,
    start_train,
    train_once,
    wait_for_epoch,
)
from tests.helpers.waiting import wait_until

EPOCHS = 6
OFTEN = ("--epochs", EPOCHS, "--no-test", "--checkpoint-seconds", 0)


@pytest.fixture(scope="module")
def uninterrupted(pictures: Path) -> FinishedRun:
    return train_once(pictures, "uninterrupted", *OFTEN)


def resume(run: Path, *more: object) -> int:
    return train.main(["--resume", str(run), *map(str, more)])


@contextmanager
def sigterm_after_epoch(run: Path, epoch: int = 1) -> Iterator[None]:
    """Send this process SIGTERM, twice as an impatient user does, once ``epoch`` is done."""

    def send() -> None:
        wait_for_epoch(run, epoch)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    # The second may come when the training has ended, and must not end the tests.
    earlier = signal.signal(signal.SIGTERM, lambda *_: None)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        yield
    finally:
        sender.join()
        signal.signal(signal.SIGTERM, earlier)


def test_a_signal_saves_and_says_how_to_go_on_to_the_same_end(
    uninterrupted: FinishedRun, error_line: Callable[[], str]
) -> None:
    run = uninterrupted.path.with_name("stopped")
    with sigterm_after_epoch(run):
        assert train.main(arguments_for(uninterrupted.pictures, "stopped", *OFTEN)) == 143
    assert f"python train.py --resume {run}" in error_line()
    assert not (run / "model_card.json").exists()
    assert resume(run) == 0
    assert_same_training(run, uninterrupted.path)


@pytest.mark.parametrize("recipe", ["strong", "fine-tuned"])
def test_a_larger_run_that_was_stopped_ends_as_a_whole_one_and_gets_no_longer(
    pictures: Path, pretrained: str, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    is_strong = recipe == "strong"
    start = () if is_strong else ("--start-from", pretrained)
    large = ("--recipe", recipe, *start, "--image-size", 64, *OFTEN)
    whole = train_once(pictures, recipe, *large).path
    stopped = whole.with_name(f"{recipe}-stopped")
    with sigterm_after_epoch(stopped):
        assert train.main(arguments_for(pictures, stopped.name, *large)) == 143
    assert resume(stopped) == 0
    assert_same_training(stopped, whole)
    card = ModelCard.load(stopped)
    architecture = "StrongCNN" if is_strong else pretrained
    assert (card.architecture, card.epochs, card.image_size) == (architecture, EPOCHS, 64)
    assert resume(stopped, "--epochs", 20) == 2
    assert "planned for the epochs" in capsys.readouterr().err


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_every_signal_to_stop_is_remembered_unless_it_is_ignored(number: signal.Signals) -> None:
    earlier = signal.signal(number, lambda *_: None)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), number)
            assert signals.received == number
        assert Stopped(number).exit_code == 128 + number
        signal.signal(number, signal.SIG_IGN)
        with StopSignals() as signals:
            os.kill(os.getpid(), number)
            assert signals.received == 0
    finally:
        signal.signal(number, earlier)


def test_a_kill_at_any_moment_leaves_a_checkpoint_that_goes_on_to_the_same_end(
    uninterrupted: FinishedRun,
) -> None:
    run = uninterrupted.path.with_name("killed")
    process = start_train(*arguments_for(uninterrupted.pictures, "killed", *OFTEN))
    wait_until(lambda: (run / "checkpoint.pt").exists() or process.poll() is not None)
    time.sleep(random.uniform(0, 0.2))  # noqa: S311
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert resume(run) == 0
    assert_same_training(run, uninterrupted.path)


def test_half_of_the_epochs_and_then_the_other_half_are_the_whole_on_as_many_threads(
    uninterrupted: FinishedRun,
) -> None:
    threads = torch.get_num_threads()
    half = ("--epochs", EPOCHS // 2, "--no-test")
    run = train_once(uninterrupted.pictures, "halves", *half).path
    torch.set_num_threads(threads + 1)
    try:
        assert resume(run, "--epochs", EPOCHS) == 0
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(threads)
    assert_same_training(run, uninterrupted.path)
    configuration = json.loads((run / "config.json").read_text())
    assert configuration["epochs"] == EPOCHS
    assert configuration["name"] == "halves"


def test_a_finished_run_that_is_trained_on_is_not_finished_any_more(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    run = finished_run.copy(tmp_path)
    with sigterm_after_epoch(run, epoch=4):
        assert resume(run, "--epochs", 50) == 143
    left = {path.name for path in run.iterdir()}
    assert not left & {"model_card.json", "classification_report.txt", "confusion_matrix.png"}


def test_a_run_cannot_be_resumed_for_fewer_epochs_than_it_has(
    finished_run: FinishedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resume(finished_run.copy(tmp_path), "--epochs", 1) == 2
    assert "has 3 epochs already" in capsys.readouterr().err


def test_another_seed_gives_another_run(uninterrupted: FinishedRun) -> None:
    other = train_once(uninterrupted.pictures, "seed", *OFTEN, "--epochs", 1, "--seed", 1).path
    first, second = (read_metrics(run)[0] for run in (uninterrupted.path, other))
    assert first.training_loss != second.training_loss


def test_a_finished_run_has_nothing_left(
    finished_run: FinishedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished_run.path.iterdir()}
    assert resume(finished_run.path) == 0
    assert "finished after 3 epochs" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in finished_run.path.iterdir()} == before


@pytest.mark.parametrize("missing", ["classification_report.txt", "model.onnx"])
def test_resuming_a_run_without_one_of_its_results_makes_it_again(
    finished_run: FinishedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    run = finished_run.copy(tmp_path)
    (run / missing).unlink()
    assert resume(run) == 0
    assert "resuming after epoch 3" in capsys.readouterr().out
    assert (run / missing).stat().st_size == (finished_run.path / missing).stat().st_size


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no checkpoint", "is missing"),
        ("a flipped bit", "damaged"),
        ("other images", "not those that this run began with"),
    ],
)
def test_a_run_that_cannot_go_on_says_why(
    finished_run: FinishedRun,
    tmp_path: Path,
    error_line: Callable[[], str],
    damage: str,
    message: str,
) -> None:
    run = finished_run.copy(tmp_path)
    checkpoint, configuration = run / "checkpoint.pt", run / "config.json"
    if damage == "no checkpoint":
        checkpoint.unlink()
    elif damage == "a flipped bit":
        flipped = bytearray(checkpoint.read_bytes())
        flipped[len(flipped) // 2] ^= 1
        checkpoint.write_bytes(flipped)
    else:
        others = write_image_folder(tmp_path / "others", images_per_class=11)
        settings = configuration.read_text().replace(str(finished_run.pictures), str(others))
        configuration.write_text(settings)
    before = configuration.read_bytes()
    assert resume(run, "--epochs", 4) == 2
    assert message in error_line()
    assert configuration.read_bytes() == before


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(
    uninterrupted: FinishedRun, tmp_path: Path
) -> None:
    run = tmp_path / "early"
    run.mkdir()
    shutil.copy2(uninterrupted.path / "config.json", run)
    assert resume(run) == 0
    assert_same_training(run, uninterrupted.path)


def test_a_run_is_trained_by_one_program_at_a_time(
    finished_run: FinishedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run.copy(tmp_path)
    before = (run / "config.json").read_bytes()
    with (run / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert resume(run, "--epochs", 4) == 2
    assert "is being trained by another program" in capsys.readouterr().err
    assert (run / "config.json").read_bytes() == before


def test_a_loss_that_is_not_finite_stops_the_training_and_says_what_to_do(
    pictures: Path, error_line: Callable[[], str]
) -> None:
    assert train.main(arguments_for(pictures, "infinite", "--learning-rate", "1e30")) == 2
    assert "start a new run with a --learning-rate below 1e+30" in error_line()
    assert not (pictures.parent / "runs" / "infinite" / "model_card.json").exists()


def test_a_full_disk_is_one_line_and_costs_nothing_that_was_saved(
    uninterrupted: FinishedRun,
) -> None:
    # Larger files than 4 MB can't be written, as if the disk was full: the first checkpoint is
    # smaller, and those with the state of the optimiser are not.
    limited = ["bash", "-c", 'ulimit -f 4000 && exec "$@"', "bash", *TRAIN]
    process = start_train(*arguments_for(uninterrupted.pictures, "full", *OFTEN), command=limited)
    _, error = process.communicate(timeout=120)
    run = uninterrupted.path.with_name("full")
    assert process.returncode == 1
    assert error.count("\n") == 1, error
    assert f"--resume {run}" in error
    assert "checkpoint.pt" in error
    assert not list(run.glob(".*.partial"))
    assert resume(run) == 0
    assert_same_training(run, uninterrupted.path)


def test_ctrl_c_while_pytorch_is_imported_ends_without_a_traceback(pictures: Path) -> None:
    process = start_train(*arguments_for(pictures, "impatient"))
    maps = psutil.Process(process.pid).memory_maps
    wait_until(lambda: any("libtorch" in each.path for each in maps()), pause=0.001)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert error == ""
