"""The folder of a run: its configuration, and the settings that a later run takes from it."""

import argparse
import json
import sys
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from model import model_card
from model.atomic_file import write_atomically
from model.model_card import ModelCard
from model.processes import Processes, launch_time
from model.recipes import Recipe
from model.reports import best_epoch, read_metrics

CONFIGURATION_FILE_NAME = "config.json"
RECIPE_SETTINGS = ("recipe", *(field.name for field in fields(Recipe)))
REFIT_SETTINGS = ("batch_size", "seed", *RECIPE_SETTINGS)
RESUMED_SETTINGS = (
    *("skip_unreadable", "limit", "validation_images", "no_test", "dry_run", "epochs"),
    *("refit", "learning_rates", "runs", "name", "checkpoint_seconds", "precision", "device"),
    *REFIT_SETTINGS,
)


class RunError(ValueError):
    """A run can't be made as it was asked for; the message says what to do."""


def open_run(options: argparse.Namespace, processes: Processes) -> Path:
    """Return the folder of the run that ``options`` name; make it where it is new.

    Raises:
        RunError: there is one of this name already.
        OSError: it can't be made.
    """
    if options.resume:
        return Path(options.resume)
    launched = datetime.fromtimestamp(launch_time(), UTC)
    kind = "dry-run" if options.dry_run else options.recipe
    name = processes.agree(options.name or f"{kind}-{launched:%Y%m%d-%H%M%S}")
    run: Path = options.runs / name
    # A training that torchrun starts anew finds the run that it began; the machine whose workers
    # were not the ones to fail doesn't know that it is one.
    restarted = processes.largest(processes.restarts) > 0 and _is_run_or_empty(run)
    if processes.is_first and not restarted:
        try:
            run.mkdir(parents=True)
        except FileExistsError as error:
            if not run.exists():
                raise
            raise RunError(
                f"{run} exists already; choose another --name, or go on with it: --resume {run}"
            ) from error
    return run


def _is_run_or_empty(run: Path) -> bool:
    return (run / CONFIGURATION_FILE_NAME).exists() or (run.is_dir() and not any(run.iterdir()))


def discard_results(run: Path) -> None:
    """Remove what only a finished run has, as it is about to be trained on; raises ``OSError``."""
    for pattern in (model_card.FILE_NAME, "classification_report.*", "confusion_matrix.*"):
        for file in run.glob(pattern):
            file.unlink()


def write_configuration(
    run: Path,
    options: argparse.Namespace,
    recipe: Recipe,
    device: torch.device,
    processes: Processes,
) -> None:
    """Write ``config.json``: every setting, and what it was trained with and on."""
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
        if name not in {"resume", "run", "given", "threads"}
    }
    write_atomically(
        run / CONFIGURATION_FILE_NAME,
        json.dumps({**settings, **asdict(recipe), **_environment(device, processes)}, indent=2)
        + "\n",
    )


def adopt_resumed_settings(options: argparse.Namespace) -> None:
    """Take the settings of the run that ``--resume`` names, but for those that were given.

    Raises:
        RunError: the run is damaged.
    """
    given = {name: getattr(options, name) for name in options.given}
    try:
        configuration = _read_configuration(options.resume)
        for name in RESUMED_SETTINGS:
            setattr(options, name, configuration[name])
        options.data = _path(configuration["data"])
        options.threads = configuration["threads"] if configuration["processes"] == 1 else None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"--resume: {options.resume} can't be read ({error})") from error
    vars(options).update(given)
    if options.learning_rates and options.epochs > len(options.learning_rates):
        raise RunError(
            f"--epochs {options.epochs}: {options.resume} is a refit, of the "
            f"{len(options.learning_rates)} epochs that its model has"
        )


def adopt_refit_settings(options: argparse.Namespace) -> None:
    """Take the settings of the run that ``--refit`` names, and its learning rates up to the best.

    Raises:
        RunError: the run is not finished or is damaged.
    """
    run = options.refit
    try:
        configuration = _read_configuration(run)
        # Written at the very end: a run without it was interrupted.
        ModelCard.from_json((run / model_card.FILE_NAME).read_text())
        history = read_metrics(run)
        options.learning_rates = [row.learning_rate for row in history[: best_epoch(history)]]
        for name in REFIT_SETTINGS:
            setattr(options, name, configuration[name])
        options.data = options.data or _path(configuration["data"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"--refit: {run} is no complete run ({error})") from error
    if not options.learning_rates:
        raise RunError(f"--refit: {run} is no complete run (it has no epochs)")
    options.epochs = len(options.learning_rates)
    options.validation_images = 0


def differences_in_environment(run: Path, device: torch.device, processes: Processes) -> list[str]:
    """Say what is other than where the run began, and keeps the same seed from the same result."""
    before, now = _read_configuration(run), _environment(device, processes)
    return [
        f"{name.replace('_', ' ')} {now[name]} instead of {before[name]}"
        for name in now
        if name in before and before[name] != now[name]
    ]


def _environment(device: torch.device, processes: Processes) -> dict[str, Any]:
    return {
        "processes": processes.size,
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
    }


def _read_configuration(run: Path) -> dict[str, Any]:
    configuration = json.loads((run / CONFIGURATION_FILE_NAME).read_text())
    if not isinstance(configuration, dict):
        raise TypeError(f"{CONFIGURATION_FILE_NAME} holds no settings")
    return configuration


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
