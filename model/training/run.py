"""The folder of a run: its lock, its configuration, and what is printed about it."""

import fcntl
import os
import shlex
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, cast

import torch

from model.data.dataset import Splits
from model.data.folders import describe_source
from model.inference import CARD_FILE_NAME, GRAPH_FILE_NAME, QUANTISED_FILE_NAME
from model.inference.card import ModelCard
from model.networks import NETWORKS
from model.training import RunError
from model.training.atomic_file import PARTIAL_PATTERN, write_atomically
from model.training.config import CONFIG_FILE_NAME, Config
from model.training.distributed import ProcessGroup, launch_time
from model.training.metrics import EpochMetrics, kept_epoch, read_metrics

LOCK_FILE_NAME = ".lock"
REPORT_FILE_NAME = "classification_report.txt"
# Files that only a finished run has.
GRAPHS = (GRAPH_FILE_NAME, QUANTISED_FILE_NAME)
RESULTS = (
    CARD_FILE_NAME,
    *GRAPHS,
    "classification_report.*",
    "confusion_matrix.*",
    "calibration.json",
    "reliability.png",
)


class Run:
    """The folder of a run, which is locked while entered; the arguments are those of ``train``.

    Attributes:
        directory: The folder, which is created for a new run. All processes get the same.

    Raises:
        RunError: A run of this name exists already, or another program is training this one.
        OSError: The folder can't be created.
    """

    def __init__(self, config: Config, resume: Path | None, processes: ProcessGroup) -> None:
        self._processes = processes
        self._lock = ExitStack()
        # Only the machine on which a process failed counts the restart.
        restarted = processes.maximum(processes.restarts) > 0
        if resume:
            self.directory = resume
            return
        launched = datetime.fromtimestamp(launch_time(), UTC)
        kind = "dry-run" if config.dry_run else config.recipe.name
        name = config.name or f"{kind}-{launched:%Y%m%d-%H%M%S}"
        if processes.is_first and not restarted:
            # Workers that torchrun starts again must find the run by its name.
            is_free = not config.name and "TORCHELASTIC_RUN_ID" not in os.environ
            name = _create(config.runs, name, is_free_to_choose=is_free)
        self.directory = config.runs / processes.broadcast(name)

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
            for partial in self.directory.glob(PARTIAL_PATTERN):
                partial.unlink(missing_ok=True)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._lock.close()
        if error is not None:
            # The line that says how to continue needs it.
            error.run = self.directory  # type: ignore[attr-defined]

    def begin(
        self,
        config: Config,
        device: torch.device,
        training_images: int,
        validation_images: int,
        epochs_done: int,
    ) -> None:
        """Print what the run is about to do, write it to ``config.json``, and remove old results.

        Raises:
            RunError: The configuration of a run that is continued is damaged.
            OSError: A file can't be written or removed.
        """
        # Whatever changes the last bits of a result.
        environment = {
            "processes": self._processes.size,
            "device_type": device.type,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": sys.version.split()[0],
        }
        exists = (self.directory / CONFIG_FILE_NAME).exists()
        before = Config.load(self.directory)[1] if exists else environment
        for name, now in environment.items():
            if before.get(name, now) != now:
                changed = f"{name.replace('_', ' ')} {now} instead of {before[name]}"
                print(f"note: {changed}: the result will not be the same bit for bit")
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
            f"{self.directory}: recipe {config.description}, {training_images:,} training and "
            f"{validation_images:,} validation images, {count_of(config.epochs, 'epoch')} at batch "
            f"size {config.batch_size}{shared}, on {device.type} in {config.precision}",
            flush=True,
        )

    def create_card(
        self,
        config: Config,
        history: list[EpochMetrics],
        splits: Splits,
        sizes: tuple[int, int],
    ) -> ModelCard:
        """Describe the trained network, which has not been tested yet.

        ``sizes`` counts the images that train and validate.
        """
        kept = history[kept_epoch(history, config.recipe) - 1]
        network = NETWORKS[config.recipe.architecture]
        return ModelCard(
            name=self.directory.name,
            version="",
            architecture=config.recipe.architecture,
            dropout=config.recipe.dropout,
            image_size=network.image_size,
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
            fit="keep-aspect" if network.takes_any_shape else "resize",
        )

    def print_summary(self, history: list[EpochMetrics], config: Config) -> None:
        """Print which epoch is kept, where everything is, and what to do next."""
        kept = history[kept_epoch(history, config.recipe) - 1]
        chosen = "Last" if config.recipe.keep_last else "Best"
        best = f"{chosen} of {count_of(len(history), 'epoch')}: {kept.epoch}"
        if kept.validation_accuracy is not None:
            accuracy = f"accuracy {kept.validation_accuracy:.2%}"
            best += f", validation loss {kept.validation_loss:.4f}, {accuracy}"
        data = f" --data {shlex.quote(str(config.data))}" if config.data else ""
        skip = " --skip-unreadable" if config.skip_unreadable else ""
        run = shlex.quote(str(self.directory))
        print(
            f"{best}\nEverything is in {self.directory}/. Next:\n"
            f"  python -m model.evaluate {run}{data}{skip}   # which pictures it gets wrong\n"
            f"  python -m model.archive {run}   # pack it; it prints how to serve it"
        )


def _create(runs: Path, name: str, *, is_free_to_choose: bool) -> str:
    """Create the folder of a new run, and return its name, which may have got a number."""
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        numbered = name + suffix
        run = runs / numbered
        try:
            run.mkdir(parents=True)
        except FileExistsError as error:
            if not run.exists():
                raise
            if is_free_to_choose:
                continue
            # A run that was killed before it began leaves its lock at most.
            if not run.is_dir() or any(file.name != LOCK_FILE_NAME for file in run.iterdir()):
                raise RunError(
                    f"{run} exists already; choose another --name, or continue it with --resume "
                    f"{run}"
                ) from error
        return numbered
    raise RunError(f"too many runs began at once in {runs}; give a --name")


def has_nothing_left(run: Path, config: Config) -> bool:
    """Return whether a run has all of its epochs and its report already, and say so."""
    is_reported = config.no_test or (run / REPORT_FILE_NAME).exists()
    files = (CARD_FILE_NAME, GRAPH_FILE_NAME)
    is_finished = is_reported and all((run / name).exists() for name in files)
    if not is_finished or len(read_metrics(run)) != config.epochs:
        return False
    print(
        f"{run} is finished after {count_of(config.epochs, 'epoch')}; to go on, give more --epochs"
    )
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
        history = history[: kept_epoch(history, config.recipe)]
        losses = [row.validation_loss for row in history if row.validation_loss is not None]
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"--refit: {run} is not a complete run ({error}); resume it first, or choose another"
        ) from error
    if not losses:
        raise RunError(f"--refit: {run} has no validation losses; choose another run")
    return replace(config, replayed_losses=tuple(losses), epochs=len(losses), validation_images=0)


def count_of(number: int, noun: str) -> str:
    """Return a number of things in words, such as ``1 epoch`` and ``2 epochs``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
