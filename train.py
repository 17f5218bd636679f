"""Train the classifier and report how well it does.

    python train.py                    CIFAR-10, downloaded; 10 epochs at batch 64
    python train.py --data DIR         any folder-per-class tree
    python train.py --resume RUN       go on where a run was stopped
    torchrun --nproc-per-node N train.py --data DIR
    python train.py --help             every option

Reads from top to bottom: the data, the net, the epochs, the report. Everything a run leaves lies in
``runs/<name>/``: ``config.json`` (the exact configuration), ``metrics.csv``, ``weights.pt`` and
``model_card.json`` (what ``python -m model.archive`` packs), ``checkpoint.pt`` (what ``--resume``
reads), curves, TensorBoard events, report, confusion matrix.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from model.archive import ArchiveError, make_archive
from model.captured_step import WARM_UP_STEPS
from model.checkpoint import Checkpoints, Training
from model.classifier import Classifier
from model.cpu import tune_cpu
from model.data import Dataset, LabelledImages, load_cifar10, load_folders
from model.data_error import DataError
from model.evaluation import classify
from model.following import Follower
from model.model_card import ModelCard
from model.options import chosen_recipe, parse_options
from model.precision import choose_precision
from model.processes import Processes
from model.reference_cnn import ReferenceCNN
from model.reports import (
    EpochMetrics,
    best_epoch,
    draw_curves,
    write_test_files,
    write_test_report,
)
from model.run_directory import (
    RunError,
    adopt_refit_settings,
    adopt_resumed_settings,
    differences_in_environment,
    discard_results,
    open_run,
    write_configuration,
)
from model.splits import split_training_images
from model.stop_signals import Stopped, StopSignals
from model.trainer import Trainer

IMAGES_PER_CLASS_OF_A_DRY_RUN = 5
STEPS_BETWEEN_AGREEMENTS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parse_options(arguments)
    processes = Processes.from_environment()
    tune_cpu()
    heard = contextlib.nullcontext() if processes.is_first else contextlib.redirect_stdout(None)
    try:
        with heard:
            train(options, processes)
    except (ArchiveError, DataError, RunError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(
            f"train.py: error: {place}{error.strerror or error}. Once that is mended: "
            f"{command_to_resume(options)}",
            file=sys.stderr,
        )
        return 1
    except Stopped as stopped:
        if processes.is_first:
            print(
                f"train.py: stopped by {stopped}, everything is saved. To go on: "
                f"{command_to_resume(options)}",
                file=sys.stderr,
            )
        return stopped.exit_code
    except KeyboardInterrupt:
        print(f"train.py: interrupted. To go on: {command_to_resume(options)}", file=sys.stderr)
        return 130
    return 0


def command_to_resume(options: argparse.Namespace) -> str:
    """Say how the run goes on, or begins where it hasn't."""
    several = "torchrun ... " if "TORCHELASTIC_RUN_ID" in os.environ else "python "
    if options.run is None:
        return f"{several}train.py, with the same options"
    return f"{several}train.py --resume {options.run}"


def train(options: argparse.Namespace, processes: Processes) -> None:
    """Train as ``options`` say, from the data to the report."""
    if options.resume:
        adopt_resumed_settings(options)
        if options.threads and not processes.are_several:
            # The order of a sum depends on the threads that share it.
            torch.set_num_threads(options.threads)
    if options.refit and not options.resume:
        adopt_refit_settings(options)
    if options.dry_run:
        options.epochs, options.limit, options.validation_images = 1, None, None
    device = choose_device(options.device, processes)
    options.precision = choose_precision(options.precision, device)
    with processes.connected(device):
        with processes.first_on_each_machine_first():
            dataset = load_data(options)
        training, validation = hold_out(dataset, options)
        options.run = open_run(options, processes)
        torch.manual_seed(options.seed)
        trainer = Trainer(
            chosen_recipe(options), len(dataset.class_names), device, options.precision, processes
        )
        announce(options, training, validation, trainer)
        history = fit(trainer, training.to(device), validation.to(device), options)
        if processes.is_first:
            report(history, dataset, (len(training), len(validation)), options)


def choose_device(requested: str, processes: Processes) -> torch.device:
    """Resolve ``auto`` to the GPU where there is one, and to one of its own for each process.

    Raises:
        RunError: a GPU was asked for and there is none, or not enough.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested == "cuda" and not gpus:
        raise RunError("--device cuda: PyTorch finds no GPU here; take --device cpu")
    if requested == "cpu" or not gpus:
        return torch.device("cpu")
    if processes.local_rank >= gpus:
        raise RunError(
            f"process {processes.local_rank + 1} on this machine has no GPU of its own, there are "
            f"{gpus}: start as many, or take --device cpu"
        )
    device = torch.device("cuda", processes.local_rank)
    torch.cuda.set_device(device)
    return device


def load_data(options: argparse.Namespace) -> Dataset:
    """Load the folder-per-class tree, or CIFAR-10 where none is given; raises ``DataError``."""
    images_per_class = IMAGES_PER_CLASS_OF_A_DRY_RUN if options.dry_run else None
    if options.data is None:
        return load_cifar10(Path("data"), images_per_class=images_per_class)
    return load_folders(
        options.data,
        ReferenceCNN.image_size,
        skip_unreadable=options.skip_unreadable,
        images_per_class=images_per_class,
    )


def hold_out(
    dataset: Dataset, options: argparse.Namespace
) -> tuple[LabelledImages, LabelledImages]:
    """Split into training and validation images, with ``--limit`` applied; raises ``DataError``."""
    images = dataset.train
    chosen, validation = split_training_images(
        images.labels, dataset.class_names, options.validation_images, options.limit
    )
    if options.dry_run:
        # Whole batches, however few images were read; on a GPU enough to capture a step.
        on_gpu = torch.cuda.is_available() and options.device != "cpu"
        steps = WARM_UP_STEPS + 1 if on_gpu else 1
        chosen = chosen[torch.arange(steps * options.batch_size) % len(chosen)]
    return images.subset(chosen), images.subset(validation)


def announce(
    options: argparse.Namespace,
    training: LabelledImages,
    validation: LabelledImages,
    trainer: Trainer,
) -> None:
    """Say what is about to happen, and write it into the run's ``config.json``."""
    processes, device = trainer.processes, trainer.device
    if options.resume:
        for difference in differences_in_environment(options.run, device, processes):
            print(f"note: {difference}: the result is not what it would have been, bit for bit")
    if processes.is_first:
        write_configuration(options.run, options, trainer.recipe, device, processes)
    shared = f", shared by {processes.size} processes" if processes.are_several else ""
    print(
        f"{options.run}: recipe {options.recipe}, {len(training):,} training and "
        f"{len(validation):,} validation images, {options.epochs} epochs at batch "
        f"{options.batch_size}{shared} on {device.type} in {options.precision}",
        flush=True,
    )


def fit(
    trainer: Trainer,
    training_images: LabelledImages,
    validation_images: LabelledImages,
    options: argparse.Namespace,
) -> list[EpochMetrics]:
    """Train the epochs that are left and keep the weights of the best by validation loss.

    Raises:
        Stopped: by a signal; all is saved.
        RunError: the checkpoint to go on from is missing or damaged.
        OSError: the run can't be written.
    """
    training = Training(trainer, (training_images, validation_images))
    checkpoints = Checkpoints(options.run, options.checkpoint_seconds)
    resumed = checkpoints.restore(training)
    if options.resume and not resumed:
        raise RunError(f"--resume: {options.run} was stopped before its first checkpoint")
    done, steps = len(training.history), trainer.steps_taken
    refuse_different_positions(trainer.processes, done, steps)
    if done > options.epochs:
        raise RunError(f"--epochs {options.epochs}: {options.run} has {done} epochs already")
    if done < options.epochs and trainer.processes.is_first:
        discard_results(options.run)
    if resumed:
        print(f"going on after epoch {done}" + (f" and {steps} steps" if steps else ""))
    with StopSignals() as signals, follow(training, options) as follower:
        session = Session(training, checkpoints, signals)
        checkpoints.save(training)
        for epoch in range(len(training.history) + 1, options.epochs + 1):
            if options.learning_rates:
                trainer.learning_rate = options.learning_rates[epoch - 1]
            row = train_epoch(session, training_images, validation_images, epoch, options)
            training.history.append(row)
            if best_epoch(training.history) == epoch:
                training.best_weights = trainer.weights()
            checkpoints.save(training)
            if follower:
                follower.epoch_done(training.history, training.best_weights)
            session.stop_if_asked()
    return training.history


def refuse_different_positions(processes: Processes, epochs: int, steps: int) -> None:
    """Raise ``RunError`` where the processes would go on from different checkpoints."""
    for position in (epochs, steps):
        if processes.largest(position) != -processes.largest(-position):
            raise RunError(
                "the processes find different checkpoints; --runs must be one folder for all "
                "machines"
            )


@contextlib.contextmanager
def follow(training: Training, options: argparse.Namespace) -> Iterator[Follower | None]:
    """Keep what can be looked at up to date; the first process does, the others get None."""
    if not training.trainer.processes.is_first:
        yield None
        return
    follower = Follower(options.run, training.history, training.best_weights, options.epochs)
    try:
        yield follower
    finally:
        follower.close()


def train_epoch(
    session: "Session",
    training_images: LabelledImages,
    validation_images: LabelledImages,
    epoch: int,
    options: argparse.Namespace,
) -> EpochMetrics:
    """Take the steps of one epoch that are left, validate, and let the plateau see the loss."""
    trainer, training = session.training.trainer, session.training
    started = time.monotonic() - training.seconds
    learning_rate = trainer.learning_rate
    plan = trainer.plan_epoch(training_images, options.batch_size, options.seed, epoch)
    for _ in trainer.steps(training_images, plan, f"epoch {epoch}/{options.epochs}"):
        training.seconds = time.monotonic() - started
        session.save_and_stop_if_due()
    training_loss, training_accuracy = trainer.finish_epoch(training_images)
    validation_loss = validation_accuracy = None
    if len(validation_images):
        validation_loss, validation_accuracy = trainer.validate(validation_images)
        trainer.plateau.step(validation_loss)
    training.seconds = 0.0
    return EpochMetrics(
        epoch,
        learning_rate,
        training_loss,
        training_accuracy,
        validation_loss,
        validation_accuracy,
        seconds=round(time.monotonic() - started, 2),
    )


@dataclass
class Session:
    """A training in this process, its checkpoints, and the signals that may stop it."""

    training: Training
    checkpoints: Checkpoints
    signals: StopSignals

    def save_and_stop_if_due(self) -> None:
        """Between two steps: save if it is time to, and raise ``Stopped`` if a signal came."""
        trainer = self.training.trainer
        # Talking costs time, and all processes must stop at the same step.
        if trainer.processes.are_several and trainer.steps_taken % STEPS_BETWEEN_AGREEMENTS:
            return
        signal_number = trainer.processes.largest(self.signals.received)
        if signal_number or trainer.processes.largest(int(self.checkpoints.is_due)):
            self.checkpoints.save(self.training)
        if signal_number:
            raise Stopped(signal_number)

    def stop_if_asked(self) -> None:
        """After an epoch, which is saved: raise ``Stopped`` if a signal came."""
        signal_number = self.training.trainer.processes.largest(self.signals.received)
        if signal_number:
            raise Stopped(signal_number)


def report(
    history: Sequence[EpochMetrics],
    dataset: Dataset,
    sizes: tuple[int, int],
    options: argparse.Namespace,
) -> None:
    """Write the model card, the curves and, unless told not to, the report on the test split.

    Args:
        history: every epoch.
        dataset: holds the test split.
        sizes: numbers of training and validation images.
        options: of the run.
    """
    run: Path = options.run
    kept = history[best_epoch(history) - 1]
    card = ModelCard(
        name=run.name,
        version="",
        architecture=ReferenceCNN.__name__,
        dropout=chosen_recipe(options).dropout,
        image_size=ReferenceCNN.image_size,
        class_names=dataset.class_names,
        data=dataset.source,
        training_images=sizes[0],
        validation_images=sizes[1],
        recipe=options.recipe,
        epochs=kept.epoch,
        validation_accuracy=kept.validation_accuracy,
        test_accuracy=None,
        test_images=len(dataset.test),
        created=datetime.now(UTC).date().isoformat(),
    )
    card.save(run)
    draw_curves(run, history)
    if dataset.test_files:
        write_test_files(run, dataset.test_files)
    if not options.no_test:
        accuracy, text = report_on_test_split(run, dataset)
        replace(card, test_accuracy=accuracy).save(run)
        print(f"\nTest split, weights of epoch {kept.epoch}: accuracy {accuracy:.2%}\n\n{text}")
    if options.dry_run:
        archive = make_archive(run, run)
        print(f"The dry run went through everything, up to {archive}; its figures mean nothing.")
        return
    print_summary(kept, len(history), options)


def report_on_test_split(run: Path, dataset: Dataset) -> tuple[float, str]:
    """Classify the test images as the server will, and write the report; return it."""
    predictions, _ = classify(Classifier.load(run), dataset.test.pixels)
    return write_test_report(run, dataset.test.labels, predictions, dataset.class_names)


def print_summary(kept: EpochMetrics, epochs: int, options: argparse.Namespace) -> None:
    """Say what was best, where everything is, and what to do next."""
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


if __name__ == "__main__":
    sys.exit(main())
