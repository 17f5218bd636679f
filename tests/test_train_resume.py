"""A training that was stopped, killed or starved of disk ends as if nothing had happened."""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import train
from tests.conftest import write_image_folder
from tests.training import TRAIN, arguments_for, assert_same_training, run_train, start_train

EPOCHS = 8
OFTEN = ("--epochs", EPOCHS, "--no-test", "--checkpoint-seconds", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("training") / "pictures")


@pytest.fixture(scope="module")
def uninterrupted(folder: Path) -> Path:
    assert train.main(arguments_for(folder, "uninterrupted", *OFTEN)) == 0
    return folder.parent / "runs" / "uninterrupted"


@contextmanager
def signal_after_epoch(run: Path, number: signal.Signals, epoch: int = 1) -> Iterator[None]:
    """Send this process a signal, twice as an impatient user does, once ``epoch`` is done."""

    def send() -> None:
        metrics = run / "metrics.csv"
        while not metrics.exists() or metrics.read_text().count("\n") <= epoch:
            time.sleep(0.001)
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)

    # The second may come when the training has ended, and must not end the tests.
    earlier = signal.signal(number, lambda *_: None)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        yield
    finally:
        sender.join()
        signal.signal(number, earlier)


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_and_says_how_to_go_on_to_the_same_end(
    folder: Path,
    uninterrupted: Path,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    exit_code: int,
) -> None:
    run = folder.parent / "runs" / number.name
    with signal_after_epoch(run, number):
        assert train.main(arguments_for(folder, number.name, *OFTEN)) == exit_code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"python train.py --resume {run}" in error
    assert not (run / "model_card.json").exists()
    assert train.main(["--resume", str(run)]) == 0
    assert_same_training(run, uninterrupted)


def test_a_kill_at_any_moment_leaves_a_checkpoint_that_goes_on_to_the_same_end(
    folder: Path, uninterrupted: Path
) -> None:
    run = folder.parent / "runs" / "killed"
    process = start_train(*arguments_for(folder, "killed", *OFTEN))
    while not (run / "checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.2))  # noqa: S311
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert train.main(["--resume", str(run)]) == 0
    assert_same_training(run, uninterrupted)


def test_half_of_the_epochs_and_then_the_other_half_are_the_whole(
    folder: Path, uninterrupted: Path
) -> None:
    half = ("--epochs", EPOCHS // 2, "--no-test")
    assert train.main(arguments_for(folder, "halves", *half)) == 0
    run = folder.parent / "runs" / "halves"
    assert train.main(["--resume", str(run), "--epochs", str(EPOCHS)]) == 0
    assert_same_training(run, uninterrupted)
    configuration = json.loads((run / "config.json").read_text())
    assert configuration["epochs"] == EPOCHS
    assert configuration["name"] == "halves"


def test_a_finished_run_that_is_trained_on_is_no_finished_run_any_more(folder: Path) -> None:
    assert train.main(arguments_for(folder, "longer", "--epochs", 1)) == 0
    run = folder.parent / "runs" / "longer"
    with signal_after_epoch(run, signal.SIGTERM, epoch=2):
        assert train.main(["--resume", str(run), "--epochs", "50"]) == 143
    left = {path.name for path in run.iterdir()}
    assert not left & {"model_card.json", "classification_report.txt", "confusion_matrix.png"}


@pytest.mark.parametrize(("epochs", "message"), [(1, "has 2 epochs already")])
def test_a_run_cannot_be_resumed_for_fewer_epochs_than_it_has(
    folder: Path, capsys: pytest.CaptureFixture[str], epochs: int, message: str
) -> None:
    assert train.main(arguments_for(folder, "two", "--epochs", 2, "--no-test")) == 0
    run = folder.parent / "runs" / "two"
    assert train.main(["--resume", str(run), "--epochs", str(epochs)]) == 2
    assert message in capsys.readouterr().err


def test_the_same_seed_gives_the_same_run_and_another_one_another(
    folder: Path, uninterrupted: Path
) -> None:
    for seed in (0, 1):
        train.main(arguments_for(folder, f"seed{seed}", *OFTEN, "--seed", seed))
    assert_same_training(folder.parent / "runs" / "seed0", uninterrupted)
    with pytest.raises(AssertionError):
        assert_same_training(folder.parent / "runs" / "seed1", uninterrupted)


def test_a_refit_that_was_stopped_goes_on_too(folder: Path, uninterrupted: Path) -> None:
    runs = folder.parent / "runs"

    def refit(name: str) -> int:
        options = ["--runs", runs, "--name", name, "--no-test", "--checkpoint-seconds", 0]
        return train.main(list(map(str, ["--refit", uninterrupted, *options])))

    assert refit("refit") == 0
    with signal_after_epoch(runs / "stopped", signal.SIGTERM):
        assert refit("stopped") == 143
    assert train.main(["--resume", str(runs / "stopped")]) == 0
    assert_same_training(runs / "stopped", runs / "refit")
    assert train.main(["--resume", str(runs / "refit"), "--epochs", "99"]) == 2


def test_resuming_a_finished_run_makes_its_report_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(arguments_for(folder, "done")) == 0
    run = folder.parent / "runs" / "done"
    report = (run / "classification_report.txt").read_text()
    (run / "classification_report.txt").unlink()
    capsys.readouterr()
    assert train.main(["--resume", str(run)]) == 0
    assert "going on after epoch 3" in capsys.readouterr().out
    assert (run / "classification_report.txt").read_text() == report


def test_a_resumed_run_takes_as_many_threads_as_before(folder: Path, uninterrupted: Path) -> None:
    threads = torch.get_num_threads()
    half = ("--epochs", EPOCHS // 2, "--no-test")
    assert train.main(arguments_for(folder, "threads", *half)) == 0
    run = folder.parent / "runs" / "threads"
    torch.set_num_threads(threads + 1)
    try:
        assert train.main(["--resume", str(run), "--epochs", str(EPOCHS)]) == 0
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(threads)
    assert_same_training(run, uninterrupted)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no checkpoint", "before its first checkpoint"),
        ("half a checkpoint", "damaged"),
        ("no configuration", "can't be read"),
        ("other images", "not those that this run began with"),
    ],
)
def test_a_run_that_cannot_go_on_says_why(
    folder: Path, capsys: pytest.CaptureFixture[str], damage: str, message: str
) -> None:
    train.main(arguments_for(folder, damage, "--epochs", 1, "--no-test"))
    run = folder.parent / "runs" / damage
    checkpoint = run / "checkpoint.pt"
    if damage == "no checkpoint":
        checkpoint.unlink()
    elif damage == "half a checkpoint":
        checkpoint.write_bytes(checkpoint.read_bytes()[: checkpoint.stat().st_size // 2])
    elif damage == "no configuration":
        (run / "config.json").write_text("[]")
    else:
        others = write_image_folder(folder.parent / "others", images_per_class=11)
        (run / "config.json").write_text(
            (run / "config.json").read_text().replace(str(folder), str(others))
        )
    capsys.readouterr()
    assert train.main(["--resume", str(run)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_a_full_disk_is_one_line_and_costs_nothing_that_was_saved(
    folder: Path, uninterrupted: Path
) -> None:
    # Larger files than 4 MB can't be written, as if the disk was full: the first checkpoint is
    # smaller, and those with the state of the optimiser are not.
    limited = ["bash", "-c", 'ulimit -f 4000 && exec "$@"', "bash", *TRAIN]
    process = start_train(*arguments_for(folder, "full", *OFTEN), command=limited)
    _, error = process.communicate(timeout=120)
    run = folder.parent / "runs" / "full"
    assert process.returncode == 1
    assert error.count("\n") == 1, error
    assert f"--resume {run}" in error
    assert "checkpoint.pt" in error
    assert not list(run.glob(".*.partial"))
    assert train.main(["--resume", str(run)]) == 0
    assert_same_training(run, uninterrupted)


def test_a_folder_that_cannot_be_written_is_one_line(folder: Path) -> None:
    runs = folder.parent / "read-only"
    runs.mkdir(mode=0o500)
    as_ordinary_user = [*without_root_privileges(), *TRAIN]
    process = start_train("--data", folder, "--runs", runs, command=as_ordinary_user)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert error.count("\n") == 1, error
    assert "Permission denied" in error


def without_root_privileges() -> list[str]:
    """What a command is begun with so that file permissions hold for root as well."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    give_up = "-dac_override,-dac_read_search"
    return [setpriv, f"--bounding-set={give_up}", f"--inh-caps={give_up}"]


def test_a_training_needs_no_terminal(folder: Path) -> None:
    log = folder.parent / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [shutil.which("nohup") or "nohup", *TRAIN, *arguments_for(folder, "quiet")],
            cwd=Path(train.__file__).parent,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        # What a closing terminal sends; nohup asks to ignore it.
        while "epoch   1/3" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=120) == 0
    text = log.read_text()
    assert "accuracy 100.00%" in text
    assert "\r" not in text
    assert "\x1b" not in text


def test_a_wrong_folder_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    result = run_train("--data", tmp_path, "--runs", tmp_path / "runs")
    assert result.returncode == 2
    assert not (tmp_path / "runs").exists()
