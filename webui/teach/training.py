"""The training of the taught classes: ``train.py`` as a program of its own, and how far it is."""

import csv
import json
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import psutil

PROJECT = Path(__file__).parents[2]
# How a line begins that says why a training has failed, and the number of lines that are told.
FAILURES = ("train.py: error: ", "Traceback ")
LAST_LINES = 10
# Seconds that a training has to save everything when it is stopped.
STOP_SECONDS = 20
# Difference in seconds between two measurements of the same start of a program.
CLOCK_SECONDS = 2


@dataclass(frozen=True)
class Job:
    """The last training, as it is now.

    Attributes:
        state: Whether it was never started, trains, has trained, was stopped, or failed.
        run: The folder of the run, if one was started.
        done: Number of epochs that are done.
        epochs: Number of all epochs; 0 before that is known.
        seconds_left: Seconds that the other epochs take.
        message: The last that ``train.py`` said, if it failed.
        right: Number of test pictures that were named rightly.
        of: Number of test pictures.
        recalls: The same for each class: its name, and the two numbers.
        kept: Name under which it is served, if it was kept.
    """

    state: Literal["none", "training", "trained", "stopped", "failed"] = "none"
    run: Path | None = None
    done: int = 0
    epochs: int = 0
    seconds_left: float = 0
    message: str = ""
    right: int = 0
    of: int = 0
    recalls: tuple[tuple[str, int, int], ...] = ()
    kept: str = ""


class Training:
    """Trains one job at a time; what became of it is told from its files, also after a restart.

    Args:
        directory: The folder of the job and of all runs.
        data: The folder of the pictures.
    """

    def __init__(self, directory: Path, data: Path) -> None:
        self._runs = directory / "runs"
        self._job_file = directory / "job.json"
        self._log = directory / "train.log"
        self._data = data
        self._starting = threading.Lock()
        self._process: psutil.Popen | None = None

    def start(self, *, go_on: bool = False) -> None:
        """Start a training, or go on with the one that was stopped, unless one is under way."""
        with self._starting:
            job = self.look()
            options: list[str | Path]
            if job.state == "training":
                return
            if go_on and job.run and (job.run / "config.json").exists():
                run, options = job.run, ["--resume", job.run]
            else:
                run = self._runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
                options = ["--data", self._data, "--runs", self._runs, "--name", run.name]
            self._runs.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") as log:
                self._process = psutil.Popen(
                    [sys.executable, str(PROJECT / "train.py"), *map(str, options)],
                    cwd=PROJECT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C stops the page alone.
                    start_new_session=True,
                )
            process = {"pid": self._process.pid, "started": self._process.create_time()}
            self._write({"run": run.name, **process})

    def stop(self) -> None:
        """Stop the training, so that it can go on later."""
        if process := self._find_process(self._read()):
            with suppress(psutil.Error):
                process.terminate()
                process.wait(STOP_SECONDS)

    def remember_kept(self, name: str) -> None:
        """Note the name under which the trained model is served."""
        self._write({**self._read(), "kept": name})

    def look(self) -> Job:
        """Say what became of the last training."""
        noted = self._read()
        if not noted:
            return Job()
        run = self._runs / noted["run"]
        if self._find_process(noted):
            return Job("training", run, *_measure(run))
        with suppress(OSError, ValueError):
            card = json.loads((run / "model_card.json").read_bytes())
            # The test is the last that a training does.
            if card["recalls"]:
                told = zip(card["class_names"], card["recalls"], strict=True)
                recalls = tuple((name, right, of) for name, (right, of, *_) in told)
                return Job(
                    "trained",
                    run,
                    right=sum(right for _, right, _ in recalls),
                    of=sum(of for _, _, of in recalls),
                    recalls=recalls,
                    kept=noted.get("kept", ""),
                )
        lines = self._log.read_text(errors="replace").splitlines()
        if any(line.startswith(FAILURES) for line in lines):
            return Job("failed", run, message="\n".join(lines[-LAST_LINES:]))
        return Job("stopped", run)

    def _find_process(self, noted: dict[str, Any]) -> psutil.Process | None:
        if self._process is not None:
            return self._process if self._process.poll() is None else None
        # The page was started anew, and the training may have gone on without it.
        with suppress(KeyError, psutil.Error):
            process = psutil.Process(noted["pid"])
            is_same = abs(process.create_time() - noted["started"]) < CLOCK_SECONDS
            if is_same and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def _read(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            noted: dict[str, Any] = json.loads(self._job_file.read_bytes())
            return noted
        return {}

    def _write(self, noted: dict[str, Any]) -> None:
        partial = self._job_file.with_suffix(".partial")
        partial.write_text(json.dumps(noted))
        partial.replace(self._job_file)


def can_train() -> bool:
    """Say whether PyTorch is installed."""
    return find_spec("torch") is not None


def _measure(run: Path) -> tuple[int, int, float]:
    """Return how many epochs are done, how many there are, and how long the others take."""
    try:
        epochs = int(json.loads((run / "config.json").read_bytes())["epochs"])
        rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    except (OSError, ValueError):
        return 0, 0, 0
    seconds = sum(float(row["seconds"]) for row in rows)
    return len(rows), epochs, seconds / max(len(rows), 1) * (epochs - len(rows))
