"""The training as a program of its own: one at a time, stopped, gone on with, and failed."""

import json
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.helpers.lessons import write_lessons
from tests.helpers.waiting import wait_until
from webui.teach.training import Training


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Pictures of which nothing was trained yet."""
    directory = write_lessons(tmp_path / "teach")
    (directory / "job.json").unlink()
    return directory


def open_training(directory: Path) -> Training:
    return Training(directory, directory / "pictures")


def trainings() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        # What an earlier test has left may end meanwhile.
        with suppress(psutil.Error):
            if "train.py" in str(child.cmdline()):
                found.append(child)
    return found


def test_a_training_goes_on_after_it_was_stopped_and_after_a_restart_of_the_page(
    directory: Path,
) -> None:
    training = open_training(directory)
    assert training.look().state == "none"
    # Two at once are one.
    starts = [threading.Thread(target=training.start) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    (process,) = trainings()
    assert training.look().state == "training"
    wait_until(lambda: training.look().done > 2, 120, pause=0.2)
    # The page was started anew, and finds the program that goes on.
    later = open_training(directory)
    assert later.look().state == "training"
    later.start()
    assert trainings() == [process]
    later.stop()
    assert training.look() == later.look() == (stopped := open_training(directory).look())
    assert stopped.state == "stopped"
    assert stopped.run

    later.start(go_on=True)
    wait_until(lambda: later.look().done, pause=0.2)
    resumed = later.look()
    assert (resumed.state, resumed.run) == ("training", stopped.run)
    assert resumed.done > 2
    assert resumed.epochs == 200
    assert resumed.seconds_left > 0
    later.stop()


def test_a_training_that_has_ended_says_how_good_the_model_is(directory: Path) -> None:
    (directory / "job.json").write_text(json.dumps({"run": "one"}))
    job = open_training(directory).look()
    assert (job.state, job.of, len(job.recalls)) == ("trained", 10_000, 10)
    assert job.right == sum(right for _, right, _ in job.recalls)


def test_a_training_that_was_stopped_before_it_began_starts_anew(directory: Path) -> None:
    training = open_training(directory)
    training.start()
    training.stop()
    assert training.look().state == "stopped"
    training.start(go_on=True)
    assert training.look().state == "training"
    training.stop()
    assert trainings() == []


def test_why_a_training_has_failed_is_said_in_its_own_words(directory: Path) -> None:
    (directory / "pictures" / "train" / "vertical" / "0.png").write_bytes(b"no picture")
    training = open_training(directory)
    training.start()
    wait_until(lambda: training.look().state != "training", pause=0.2)
    job = training.look()
    assert job.state == "failed"
    assert "vertical/0.png" in job.message
