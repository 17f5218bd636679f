"""Train the classifier and report how well it does.

    python train.py                    CIFAR-10, downloaded; 10 epochs at batch size 64
    python train.py --data DIR         any folder-per-class tree
    python train.py --resume RUN       continue a run that was stopped
    torchrun --nproc-per-node N train.py --data DIR
    python train.py --help             every option

This file reads from top to bottom: the data, the network, the epochs, the report. A run leaves
everything in ``runs/<name>/``: ``config.json`` (the exact configuration), ``metrics.csv``,
``weights.pt`` and ``model_card.json`` (which ``python -m model.archive`` packs), ``checkpoint.pt``
(which ``--resume`` reads), curves, TensorBoard events, the report and the confusion matrix.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

try:
    import torch
except ModuleNotFoundError:
    sys.exit("train.py: error: PyTorch is not installed here; `make setup` installs it")

from model.archive import ArchiveError, make_archive
from model.command_line import tolerate_any_encoding
from model.data.cifar10 import load_cifar10
from model.data.dataset import DataError, Dataset, LabelledImages
from model.data.folders import load_folders
from model.data.splits import split_training_images
from model.evaluation.report import write_test_files, write_test_report
from model.evaluation.scores import classify
from model.export.graph import export_run
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from model.networks.reference_cnn import ReferenceCNN
from model.training import RunError
from model.training.captured_step import WARM_UP_STEPS
from model.training.checkpoint import Checkpoints, TrainingState
from model.training.devices import choose_device, choose_precision, tune_cpu
from model.training.distributed import ProcessGroup
from model.training.metrics import EpochMetrics, MetricsWriter, best_epoch, draw_curves
from model.training.options import chosen_recipe, parse_options
from model.training.run import (
    announce_run,
    command_to_continue,
    discard_results,
    load_refit_settings,
    load_resumed_settings,
    open_run,
    print_summary,
)
from model.training.stop_signals import Stopped, StopSignals
from model.training.trainer import Trainer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the command line without the program's name; None for ``sys.argv``.

    Returns:
        The exit code: 0 for success, 1 where a file can't be read or written, 2 for settings or
        data that can't be used, and 128 plus the number of the signal that stopped the training.
    """
    tolerate_any_encoding()
    options = parse_options(arguments)
    process_group = ProcessGroup.from_environment()
    tune_cpu()
    is_first = process_group.is_first
    output = contextlib.nullcontext() if is_first else contextlib.redirect_stdout(None)
    try:
        with output:
            train(options, process_group)
    except (ArchiveError, DataError, RunError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message, exit_code = f"error: {place}{error.strerror or error}. Fix this, then run", 1
    except Stopped as stopped:
        if not is_first:
            return stopped.exit_code
        message = f"stopped by {stopped}; everything is saved. To continue, run"
        exit_code = stopped.exit_code
    except KeyboardInterrupt:
        message, exit_code = "interrupted. To continue, run", 130
    else:
        return 0
    print(f"train.py: {message}: {command_to_continue(options)}", file=sys.stderr)
    return exit_code


def train(options: argparse.Namespace, process_group: ProcessGroup) -> None:
    """Train as ``options`` say, from the data to the report.

    Args:
        options: the result of :func:`parse_options`; settings of the run that it resumes or refits,
            and what ``auto`` stands for, are filled in.
        process_group: the processes that train together, not connected yet.
    """
    if options.resume:
        load_resumed_settings(options)
        if options.threads and not process_group.is_distributed:
            # The order of a sum, and so its rounding, depends on the number of threads.
            torch.set_num_threads(options.threads)
    if options.refit and not options.resume:
        load_refit_settings(options)
    if options.dry_run:
        options.epochs, options.limit, options.validation_images = 1, None, None
    device = choose_device(options.device, process_group)
    options.precision = choose_precision(options.precision, device)
    with process_group.connected(device):
        with process_group.first_of_each_machine_goes_first():
            dataset = load_data(options)
        training, validation = hold_out(dataset, options)
        options.run = open_run(options, process_group)
        torch.manual_seed(options.seed)
        recipe, classes = chosen_recipe(options), len(dataset.class_names)
        trainer = Trainer(recipe, classes, device, options.precision, process_group)
        announce_run(options, len(training), len(validation), trainer)
        history = fit(TrainingState(trainer, training.to(device), validation.to(device)), options)
        if process_group.is_first:
            report(history, dataset, (len(training), len(validation)), options)


def load_data(options: argparse.Namespace) -> Dataset:
    """Load the folder-per-class tree, or CIFAR-10 where none is given.

    Raises:
        DataError: the images can't be used.
    """
    if options.data is None:
        return load_cifar10(Path("data"))
    return load_folders(
        options.data, ReferenceCNN.image_size, skip_unreadable=options.skip_unreadable
    )


def hold_out(
    dataset: Dataset, options: argparse.Namespace
) -> tuple[LabelledImages, LabelledImages]:
    """Hold out validation images, and apply ``--limit`` to the others.

    Returns:
        The training images and the validation images.

    Raises:
        DataError: there are too few images.
    """
    images = dataset.train
    chosen, validation = split_training_images(
        images.labels, dataset.class_names, options.validation_images, options.limit
    )
    if options.dry_run:
        # Few images are repeated to fill whole batches; on a GPU there are enough of these to
        # capture a step.
        on_gpu = torch.cuda.is_available() and options.device != "cpu"
        steps = WARM_UP_STEPS + 1 if on_gpu else 1
        chosen = chosen[torch.arange(steps * options.batch_size) % len(chosen)]
    return images.subset(chosen), images.subset(validation)


def fit(state: TrainingState, options: argparse.Namespace) -> list[EpochMetrics]:
    """Train the remaining epochs, and keep the weights of the best one by validation loss.

    Args:
        state: the training before its first step.
        options: the settings of the run.

    Returns:
        The metrics of all epochs of the run, in order.

    Raises:
        Stopped: a signal came, and everything is saved.
        RunError: the checkpoint to resume from is missing or damaged.
        OSError: the run can't be written.
    """
    trainer, signals = state.trainer, StopSignals()
    checkpoints = Checkpoints(options.run, options.checkpoint_seconds, state, signals)
    resumed = checkpoints.restore()
    if options.resume and not resumed:
        raise RunError(
            f"--resume: {options.run} was stopped before its first checkpoint; start a new run"
        )
    done, steps = len(state.history), trainer.steps_taken
    if done > options.epochs:
        raise RunError(
            f"--epochs {options.epochs}: {options.run} has {done} epochs already; give at least "
            "as many"
        )
    if done < options.epochs and trainer.process_group.is_first:
        discard_results(options.run)
    if resumed:
        print(f"resuming after epoch {done}" + (f" and {steps} steps" if steps else ""))
    with signals, contextlib.ExitStack() as on_exit:
        metrics_writer = None
        if trainer.process_group.is_first:
            metrics_writer = MetricsWriter(
                options.run, state.history, state.best_weights, options.epochs
            )
            on_exit.callback(metrics_writer.close)
        checkpoints.save()
        for epoch in range(done + 1, options.epochs + 1):
            if options.learning_rates:
                trainer.learning_rate = options.learning_rates[epoch - 1]
            state.history.append(train_epoch(checkpoints, epoch, options))
            if best_epoch(state.history) == epoch:
                state.best_weights = trainer.weights()
            checkpoints.save()
            if metrics_writer:
                metrics_writer.write_epoch(state.history, state.best_weights)
            signals.raise_if_received(trainer.process_group)
    return state.history


def train_epoch(checkpoints: Checkpoints, epoch: int, options: argparse.Namespace) -> EpochMetrics:
    """Take the remaining steps of an epoch, validate, and adapt the learning rate to the loss.

    Args:
        checkpoints: the training, which is saved or stopped between two steps.
        epoch: number of the epoch, from 1.
        options: the settings of the run.

    Raises:
        Stopped: a signal came, and everything is saved.
        OSError: the checkpoint can't be written.
    """
    state, trainer = checkpoints.state, checkpoints.state.trainer
    started = time.monotonic() - state.seconds
    learning_rate = trainer.learning_rate
    plan = trainer.plan_epoch(state.training_images, options.batch_size, options.seed, epoch)
    for _ in trainer.steps(state.training_images, plan, f"epoch {epoch}/{options.epochs}"):
        state.seconds = time.monotonic() - started
        checkpoints.save_and_stop_if_due()
    training_loss, training_accuracy = trainer.finish_epoch(state.training_images)
    validation_loss = validation_accuracy = None
    if len(state.validation_images):
        validation_loss, validation_accuracy = trainer.validate(state.validation_images)
        trainer.plateau.step(validation_loss)
    state.seconds = 0.0
    return EpochMetrics(
        epoch,
        learning_rate,
        training_loss,
        training_accuracy,
        validation_loss,
        validation_accuracy,
        seconds=round(time.monotonic() - started, 2),
    )


def report(
    history: Sequence[EpochMetrics],
    dataset: Dataset,
    sizes: tuple[int, int],
    options: argparse.Namespace,
) -> None:
    """Write the model card, the curves and, without ``--no-test``, the report on the test split.

    Args:
        history: the metrics of all epochs.
        dataset: the data, of which the test split is used.
        sizes: numbers of training and validation images.
        options: the settings of the run.

    Raises:
        ArchiveError: the dry run can't pack its model.
        OSError: the run can't be written.
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
        # The exported network classifies, as it will on the server.
        export_run(run)
        predictions, _ = classify(Classifier.load(run), dataset.test)
        accuracy, text = write_test_report(
            run, dataset.test.labels, predictions, dataset.class_names
        )
        replace(card, test_accuracy=accuracy).save(run)
        print(f"\nTest split, weights of epoch {kept.epoch}: accuracy {accuracy:.2%}\n\n{text}")
    if options.dry_run:
        archive = make_archive(run, run)
        print(f"The dry run went through everything, up to {archive}; its figures mean nothing.")
        return
    print_summary(kept, len(history), options)


if __name__ == "__main__":
    sys.exit(main())
