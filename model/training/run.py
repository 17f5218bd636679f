"""The folder of a run: its lock, its configuration, and what is printed about it."""

import fcntl
import os
import shlex
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Self, cast

import psutil
import torch

from model.atomic_file import remove_partial_files, write_atomically
from model.data.dataset import Splits
from model.data.folders import describe_source
from model.inference import CARD_FILE_NAME, GRAPH_FILE_NAME, QUANTISED_FILE_NAME
from model.inference.card import ModelCard
from model.training import RunError
from model.training.config import CONFIG_FILE_NAME, Config
from model.training.distributed import ProcessGroup
from model.training.metrics import EpochMetrics, kept_epoch, read_metrics

LOCK_FILE_NAME = ".lock"
REPORT_FILE_NAME = "classification_report.txt"
# Patterns of the files that only a finished run has.
RESULTS = (
    *(CARD_FILE_NAME, GRAPH_FILE_NAME, QUANTISED_FILE_NAME),
    *("classification_report.*", "confusion_matrix.*", "calibration.json", "reliability.png"),
)


def refuse_taken_name(config: Config, processes: ProcessGroup) -> None:
    """Refuse with ``RunError``, before any picture is read, the name of a run that exists."""
    run = config.runs / config.name
    # Workers that are started again find the run that they began. Only the machine on which one
    # failed counts the restart.
    is_restart = processes.maximum(processes.restarts) > 0
    if not config.name or is_restart or not processes.is_first or not run.exists():
        return
    # A run that was killed before it began leaves its lock at most.
    if not run.is_dir() or any(file.name != LOCK_FILE_NAME for file in run.iterdir()):
        raise RunError(
            f"{run} exists already; choose another --name, or continue it with --resume {run}"
        )


class Run:
    """The folder of a run, which is locked while entered; the arguments are those of ``train``.

    Attributes:
        directory: The folder, which is created for a new run. All processes get the same.

    Raises:
        RunError: Another program is training this run.
        OSError: The folder can't be created.
    """

    def __init__(self, config: Config, resume: Path | None, processes: ProcessGroup) -> None:
        self._processes = processes
        self._lock = ExitStack()
        self.directory = resume or self._create(config)

    def _create(self, config: Config) -> Path:
        is_restartable = "TORCHELASTIC_RUN_ID" in os.environ
        # Workers that torchrun starts again find the run by when torchrun itself began.
        process = psutil.Process(os.getppid() if is_restartable else None)
        launched = datetime.fromtimestamp(process.create_time(), UTC)
        kind = "dry-run" if config.dry_run else config.recipe.name
        first = name = config.name or f"{kind}-{launched:%Y%m%d-%H%M%S}"
        if self._processes.is_first:
            numbers = count(2)
            while not config.name and not is_restartable and (config.runs / name).exists():
                name = f"{first}-{next(numbers)}"
            (config.runs / name).mkdir(parents=True, exist_ok=True)
        return config.runs / self._processes.broadcast(name)

    def __enter__(self) -> Self:
        if self._processes.is_first:
            try:
                lock = self._lock.enter_context((self.directory / LOCK_FILE_NAME).open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                self._lock.close()
                raise RunError(
                    f"{self.directory} is being trained by another program; wait for its end, or "
                    "stop it"
                ) from error
            remove_partial_files(self.directory)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._lock.close()
        if error is not None:
            # The line that says how to continue needs it.
            error.run = self.directory  # type: ignore[attr-defined]

    def begin(
        self, config: Config, device: torch.device, sizes: tuple[int, int], epochs_done: int
    ) -> None:
        """Print what the run is about to do, write it to ``config.json``, and remove old results.

        ``sizes`` counts the images that train and validate.
        """
        # Whatever changes the last bits of a result.
        environment = {
            "processes": self._processes.size,
            "device_type": device.type,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": sys.version.split()[0],
        }
        if self._processes.is_first:
            config = replace(config, name=self.directory.name)
            write_atomically(self.directory / CONFIG_FILE_NAME, config.to_json(environment))
            if epochs_done < config.epochs:
                for pattern in RESULTS:
                    for file in self.directory.glob(pattern):
                        file.unlink()
        size = self._processes.size
        shared = f", shared by {size} processes" if size > 1 else ""
        print(
            f"{self.directory}: recipe {config.description}, {sizes[0]:,} training and "
            f"{sizes[1]:,} validation images, {_epochs(config.epochs)} at batch size "
            f"{config.batch_size}{shared}, on {device.type} in {config.precision}",
            flush=True,
        )

    def create_card(
        self, config: Config, history: list[EpochMetrics], splits: Splits, sizes: tuple[int, int]
    ) -> ModelCard:
        """Describe the trained network, which is not tested yet; ``sizes`` as of ``begin``."""
        kept = kept_epoch(history, config.recipe)
        return ModelCard(
            name=self.directory.name,
            version="",
            architecture=config.recipe.architecture,
            dropout=config.recipe.dropout,
            image_size=config.image_size,
            class_names=splits["train"].class_names,
            data=describe_source(config.data),
            training_images=sizes[0],
            validation_images=sizes[1],
            recipe=config.description,
            epochs=kept.epoch,
            validation_accuracy=kept.validation_accuracy,
            test_accuracy=None,
            test_images=len(splits["test"]),
            created=datetime.now(UTC).date().isoformat(),
            fit="resize" if config.recipe.trains_reference_cnn else "keep-aspect",
        )

    def print_summary(self, history: list[EpochMetrics], config: Config) -> None:
        """Print which epoch is kept, where everything is, and what to do next."""
        kept = kept_epoch(history, config.recipe)
        chosen = "Last" if config.recipe.keep_last else "Best"
        best = f"{chosen} of {_epochs(len(history))}: {kept.epoch}"
        if kept.validation_accuracy is not None:
            accuracy = f"accuracy {kept.validation_accuracy:.2%}"
            best += f", validation loss {kept.validation_loss:.4f}, {accuracy}"
        data = f" --data {shlex.quote(str(config.data))}" if config.data else ""
        skip = " --skip-unreadable" if config.skip_unreadable else ""
        run = shlex.quote(str(self.directory))
        print(
            f"{best}\nEverything is in {self.directory}/. Next:\n"
            f"  python -m model.evaluate {run}{data}{skip}   # its mistakes, on the page "
            f"{self.directory}/evaluation/confusion_matrix.html\n"
            f"  python -m model.archive {run}   # pack it; it prints how to serve it"
        )


def has_nothing_left(run: Path, config: Config) -> bool:
    """Return whether a run has all of its epochs and its report already, and say so."""
    reports = [] if config.no_test else [REPORT_FILE_NAME]
    files = [run / name for name in (CARD_FILE_NAME, GRAPH_FILE_NAME, *reports)]
    if not all(file.exists() for file in files) or len(read_metrics(run)) != config.epochs:
        return False
    print(f"{run} is finished after {_epochs(config.epochs)}; to go on, give more --epochs")
    return True


def replay_losses(config: Config) -> Config:
    """Return the configuration that trains the run that ``refit`` names, with nothing held out.

    The learning rates follow from the validation losses of that run, as they did the first time.

    Raises:
        RunError: The run is not finished, or is damaged.
    """
    run = cast("Path", config.refit)
    try:
        # The card is written at the very end, so a run without it was interrupted.
        ModelCard.load(run)
        history = read_metrics(run)
        history = history[: kept_epoch(history, config.recipe).epoch]
        losses = [row.validation_loss for row in history if row.validation_loss is not None]
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"--refit: {run} is not a complete run ({error}); resume it first, or choose another"
        ) from error
    if not losses:
        raise RunError(f"--refit: {run} has no validation losses; choose another run")
    return replace(config, replayed_losses=tuple(losses), epochs=len(losses), validation_images=0)


def _epochs(number: int) -> str:
    return "1 epoch" if number == 1 else f"{number:,} epochs"
