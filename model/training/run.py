"""The folder of a run: its configuration, what a later run takes from it, and what is printed."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from model.inference import CARD_FILE_NAME, GRAPH_FILE_NAME
from model.inference.card import ModelCard
from model.training import RunError
from model.training.atomic_file import write_atomically
from model.training.distributed import ProcessGroup, launch_time
from model.training.metrics import EpochMetrics, best_epoch, read_metrics
from model.training.recipes import Recipe
from model.training.trainer import Trainer

CONFIGURATION_FILE_NAME = "config.json"
# Names of the recipe and of all that it sets.
RECIPE_SETTINGS = ("recipe", *(field.name for field in fields(Recipe)))
# Names of the settings that --refit takes from the earlier run.
REFIT_SETTINGS = ("batch_size", "seed", *RECIPE_SETTINGS)
# Names of the settings that --resume takes from the run.
RESUMED_SETTINGS = (
    *("skip_unreadable", "limit", "validation_images", "no_test", "dry_run", "epochs"),
    *("refit", "learning_rates", "runs", "name", "checkpoint_seconds", "precision", "device"),
    *REFIT_SETTINGS,
)


def open_run(options: argparse.Namespace, process_group: ProcessGroup) -> Path:
    """Return the folder of the run that ``options`` name, and create it where it is new.

    Args:
        options: the settings of the run.
        process_group: the connected processes, which all get the same folder.

    Raises:
        RunError: a run of this name exists already.
        OSError: the folder can't be created.
    """
    if options.resume:
        return Path(options.resume)
    launched = datetime.fromtimestamp(launch_time(), UTC)
    kind = "dry-run" if options.dry_run else options.recipe
    name = process_group.broadcast(options.name or f"{kind}-{launched:%Y%m%d-%H%M%S}")
    run: Path = options.runs / name
    # Processes that torchrun restarts continue the run that they began. Only the machine on which a
    # process failed counts the restart.
    restarted = process_group.maximum(process_group.restarts) > 0 and _is_run_or_empty(run)
    if process_group.is_first and not restarted:
        try:
            run.mkdir(parents=True)
        except FileExistsError as error:
            if not run.exists():
                raise
            raise RunError(
                f"{run} exists already; choose another --name, or continue it with --resume {run}"
            ) from error
    return run


def _is_run_or_empty(run: Path) -> bool:
    return (run / CONFIGURATION_FILE_NAME).exists() or (run.is_dir() and not any(run.iterdir()))


def discard_results(run: Path) -> None:
    """Remove the files that only a finished run has, before its training continues.

    Raises:
        OSError: a file can't be removed.
    """
    results = (CARD_FILE_NAME, GRAPH_FILE_NAME, "classification_report.*", "confusion_matrix.*")
    for pattern in results:
        for file in run.glob(pattern):
            file.unlink()


def announce_run(
    options: argparse.Namespace, training_images: int, validation_images: int, trainer: Trainer
) -> None:
    """Print what the run is about to do, and write it to ``config.json``.

    Args:
        options: the settings of the run.
        training_images: number of images to train on.
        validation_images: number of images that were held out.
        trainer: the network before its first step.

    Raises:
        OSError: the configuration can't be written.
    """
    process_group, device = trainer.process_group, trainer.device
    # Whatever changes the last bits of a result.
    environment = {
        "processes": process_group.size,
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
    }
    if options.resume:
        before = _read_configuration(options.run)
        for name, now in environment.items():
            if before.get(name, now) != now:
                print(
                    f"note: {name.replace('_', ' ')} {now} instead of {before[name]}: the result "
                    "will not be the same bit for bit"
                )
    if process_group.is_first:
        settings = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(options).items()
            if name not in {"resume", "run", "given", "threads"}
        }
        configuration = {**settings, **asdict(trainer.recipe), **environment}
        text = json.dumps(configuration, indent=2) + "\n"
        write_atomically(options.run / CONFIGURATION_FILE_NAME, text)
    shared = f", shared by {process_group.size} processes" if process_group.is_distributed else ""
    print(
        f"{options.run}: recipe {options.recipe}, {training_images:,} training and "
        f"{validation_images:,} validation images, {options.epochs} epochs at batch size "
        f"{options.batch_size}{shared}, on {device.type} in {options.precision}",
        flush=True,
    )


def print_summary(kept: EpochMetrics, epochs: int, options: argparse.Namespace) -> None:
    """Print which epoch was best, where everything is, and what to do next.

    Args:
        kept: metrics of the epoch whose weights are kept.
        epochs: number of epochs of the run.
        options: the settings of the run.
    """
    best = f"Best of {epochs} epochs: {kept.epoch}"
    if kept.validation_accuracy is not None:
        best += (
            f", validation loss {kept.validation_loss:.4f}, accuracy {kept.validation_accuracy:.2%}"
        )
    data = f" --data {options.data}" if options.data else ""
    print(
        f"{best}\n"
        f"Everything is in {options.run}/: weights.pt and model_card.json, config.json, "
        "checkpoint.pt, metrics.csv, loss.png, accuracy.png, tensorboard/"
        + ("" if options.no_test else ", classification_report.txt, confusion_matrix.png")
        + "\nNext:\n"
        f"  python -m model.evaluate {options.run}{data}   # which pictures it gets wrong\n"
        f"  python -m model.archive {options.run}   # pack it; then: make serve"
    )


def command_to_continue(options: argparse.Namespace) -> str:
    """Return the command that resumes the run, or starts it again where it has no folder yet."""
    program = "torchrun ..." if "TORCHELASTIC_RUN_ID" in os.environ else "python"
    if options.run is None:
        return f"{program} train.py, with the same options"
    return f"{program} train.py --resume {options.run}"


def load_resumed_settings(options: argparse.Namespace) -> None:
    """Fill in ``options`` from the run that ``--resume`` names, except for those that were given.

    Raises:
        RunError: the run is damaged, or a refit is to get more epochs.
    """
    try:
        configuration = _take_settings(options, options.resume, RESUMED_SETTINGS)
        options.threads = configuration["threads"] if configuration["processes"] == 1 else None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"--resume: {options.resume} can't be read ({error}); start a new run"
        ) from error
    if options.learning_rates and options.epochs > len(options.learning_rates):
        raise RunError(
            f"--epochs {options.epochs}: {options.resume} is a refit of "
            f"{len(options.learning_rates)} epochs; give no more than these"
        )


def load_refit_settings(options: argparse.Namespace) -> None:
    """Fill in ``options`` from the run that ``--refit`` names, with its rates up to the best epoch.

    Raises:
        RunError: the run is not finished, or is damaged.
    """
    run = options.refit
    try:
        _take_settings(options, run, REFIT_SETTINGS)
        # The card is written at the very end, so a run without it was interrupted.
        ModelCard.load(run)
        history = read_metrics(run)
        options.learning_rates = [row.learning_rate for row in history[: best_epoch(history)]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"--refit: {run} is not a complete run ({error}); resume it first, or choose another"
        ) from error
    if not options.learning_rates:
        raise RunError(f"--refit: {run} is not a complete run (it has no epochs); choose another")
    options.epochs = len(options.learning_rates)
    options.validation_images = 0


def _take_settings(options: argparse.Namespace, run: Path, names: Sequence[str]) -> dict[str, Any]:
    """Set ``data`` and the options in ``names`` to those of ``run``, except for given ones."""
    configuration = _read_configuration(run)
    for name in ("data", *names):
        if name not in options.given:
            setattr(options, name, configuration[name])
    options.data = options.data and Path(options.data)
    return configuration


def _read_configuration(run: Path) -> dict[str, Any]:
    configuration = json.loads((run / CONFIGURATION_FILE_NAME).read_text())
    if not isinstance(configuration, dict):
        raise TypeError(f"{CONFIGURATION_FILE_NAME} does not hold settings")
    return configuration
