"""Train the classifier and report how well it does.

    python train.py                    CIFAR-10, downloaded; 10 epochs at batch size 64
    python train.py --data DIR         any folder-per-class tree
    python train.py --resume RUN       continue a run that was stopped
    torchrun --nproc-per-node N train.py --data DIR
    python train.py --help             every option

This file reads from top to bottom; what it is made of is in ``model/training/``. A run leaves
everything in ``runs/<name>/``: its configuration and metrics, the weights, the checkpoint that
``--resume`` reads, curves, TensorBoard events, the report and the confusion matrix.
"""

import signal
import sys

if __name__ == "__main__":
    # The imports take seconds, in which Ctrl-C ends the program without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

try:
    import torch
except ModuleNotFoundError:
    sys.exit("train.py: error: PyTorch is not installed here; `make setup` installs it")

from torch import nn
from torch.nn.functional import cross_entropy

from model.archive import make_archive
from model.data.cifar10 import load_cifar10
from model.data.dataset import LabelledImages, Splits
from model.data.folders import load_folders
from model.data.tested_files import write_test_files
from model.evaluation.calibration import (
    apply_temperature,
    find_bands,
    fit_temperature,
    summarise_answers,
    write_calibration_report,
)
from model.evaluation.report import write_test_report
from model.evaluation.scores import Evaluation, classify
from model.evaluation.strangers import (
    find_ood_threshold,
    measure_strangers,
    write_strangers_report,
)
from model.evaluation.verdict import describe_verdict
from model.export.graph import export_run
from model.export.temperature import set_temperature
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from model.networks import Network, to_unit_range
from model.training.batches import Batch, batches, hold_out, weigh_classes
from model.training.checkpoint import ResumableLoop
from model.training.command import run_training
from model.training.config import Config
from model.training.devices import CapturedStep, choose_device, set_up_computation
from model.training.distributed import ProcessGroup, SharedDropout
from model.training.initial_network import create_network
from model.training.metrics import EpochMetrics, EpochTotals, draw_curves
from model.training.optimizer import MovingAverage, create_optimizer, create_schedulers
from model.training.run import Run, has_nothing_left, refuse_taken_name, replay_losses

# Number of images that are validated at once.
VALIDATION_BATCH_SIZE = 250


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, or ``arguments`` in its place, and return the exit code."""
    return run_training(train, arguments)


def train(config: Config, resume: Path | None, processes: ProcessGroup) -> None:
    """Train as ``config`` says, from the data to the report.

    ``resume`` is the folder of a run that is continued; the ``processes`` are not connected yet.
    """
    if resume and has_nothing_left(resume, config):
        return
    if config.refit and not resume:
        config = replay_losses(config)
    device = choose_device(config.device, processes)
    config = set_up_computation(config, device, processes)
    with processes.connected(device):
        if not resume:
            refuse_taken_name(config, processes)
        with processes.first_of_each_machine_goes_first():
            splits = load_data(config)
        training, validation = hold_out(splits, config)
        config = config.adapted_to(len(training), len(validation))
        if config.dry_run:
            training = training.subset(torch.arange(config.batch_size) % len(training))
        network = create_network(config, len(training.class_names), training)
        with Run(config, resume, processes) as run:
            images = training.to(device), validation.to(device)
            history = fit(network, images, run, config, processes)
            if processes.is_first:
                report(history, splits, (training, validation), run, config)


def load_data(config: Config) -> Splits:
    """Load the folder-per-class tree, or CIFAR-10 where none is given."""
    if config.data is None:
        return load_cifar10(Path("data"))
    return load_folders(config.data, config.image_size, skip_unreadable=config.skip_unreadable)


def fit(
    network: Network,
    splits: tuple[LabelledImages, LabelledImages],
    run: Run,
    config: Config,
    processes: ProcessGroup,
) -> list[EpochMetrics]:
    """Train the epochs that are left, and return the metrics of all, in order."""
    training, validation = splits
    device = training.labels.device
    network.to(device).to(memory_format=torch.channels_last)
    # The moving average of the weights is what is validated and kept.
    average = MovingAverage(network, config.recipe.average_decay)
    optimizer = create_optimizer(network, config)
    per_batch, per_epoch = create_schedulers(optimizer, config, len(training))
    class_weights = weigh_classes(training, network.output.out_features, config.class_weights)
    totals = EpochTotals(device, processes, class_weights)
    step = create_step(network, average, optimizer, totals, config)

    parts = (network, average, optimizer, per_batch, per_epoch)
    loop = ResumableLoop(run.directory, config, parts, totals, splits)
    loop.restore()
    run.begin(config, device, (len(training), len(validation)), len(loop.history))
    with loop:
        for epoch in loop.epochs_left():
            network.train()
            for batch in batches(training, config, epoch, loop.steps_done, processes):
                step(batch)
                per_batch.step()
                loop.step_done()
            learning_rate = float(optimizer.param_groups[0]["lr"])
            loss = accuracy = None
            processes.average_buffers(average.network)
            if len(validation):
                sums = EpochTotals(device, processes, class_weights)
                loss, accuracy = validate(average.network, validation, sums)
            per_epoch.step(config.replayed_losses[epoch - 1] if loss is None else loss)
            loop.epoch_done(learning_rate, loss, accuracy, average.network.state_dict())
    return loop.history


def create_step(
    network: Network,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
    totals: EpochTotals,
    config: Config,
) -> Callable[[Batch], None]:
    """Return the function that learns from one batch, and adds its loss to ``totals``."""
    recipe, processes, device = config.recipe, totals.processes, totals.sums.device
    network.dropout = dropout = SharedDropout(recipe.dropout, processes)
    shared_network = processes.average_gradients(network)

    def step(batch: Batch) -> None:
        """Learn from one batch."""
        dropout.batch_size = batch.size
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = shared_network(batch.images)
        smoothing, logits = recipe.label_smoothing, logits.float()
        loss = cross_entropy(
            logits, batch.labels, totals.class_weights, label_smoothing=smoothing, reduction="sum"
        )
        optimizer.zero_grad()
        # Averaged over the processes, these are the gradients of the mean over the whole batch.
        (loss * (processes.size / batch.size)).backward()
        optimizer.step()
        average.update()
        totals.add(logits, batch.labels)

    is_captured = device.type == "cuda" and not processes.is_distributed
    return CapturedStep(step, config.batch_size) if is_captured else step


@torch.inference_mode()
def validate(
    network: nn.Module, images: LabelledImages, totals: EpochTotals
) -> tuple[float, float]:
    """Return the mean loss in nats and the accuracy in [0, 1] of the network in float32."""
    network.eval()
    positions = torch.arange(len(images), device=images.labels.device)
    own = images.subset(positions[totals.processes.own_part(len(images))])
    for batch in own.batches(VALIDATION_BATCH_SIZE):
        totals.add(network(to_unit_range(batch.pixels)), batch.labels)
    return totals.means(len(images))


def report(
    history: list[EpochMetrics],
    splits: Splits,
    used: tuple[LabelledImages, LabelledImages],
    run: Run,
    config: Config,
) -> None:
    """Write the model card, the curves and, without ``--no-test``, the report on the test split.

    The images that were ``used`` are those that trained and those that were held out.
    """
    directory = run.directory
    card = run.create_card(config, history, splits, (len(used[0]), len(used[1])))
    # The exported network classifies, as it will on the server.
    export_run(directory, card, used[0])
    card.save(directory)
    calibrate(directory, used[1], config)
    draw_curves(directory, history)
    if config.data:
        write_test_files(directory, splits["test"].names)
    if not config.no_test:
        counts = torch.bincount(used[0].labels, minlength=len(card.class_names)).tolist()
        test(directory, splits["test"], counts, config)
    if config.dry_run:
        archive = make_archive(directory, directory)
        print(f"The dry run went through everything, up to {archive}; its figures mean nothing.")
    else:
        run.print_summary(history, config)


def calibrate(run: Path, held_out: LabelledImages, config: Config) -> None:
    """Let the graphs of a run say how often they are right, and its card tell it.

    The card also tells from which OOD score on a picture shows none of the classes, and what was
    answered. All is measured on the images that were held out; a refit takes what the first run
    measured.
    """
    card = ModelCard.load(run)
    if config.refit:
        before = ModelCard.load(config.refit)
        temperature, bands = before.temperature, before.bands
        threshold, answers = before.ood_threshold, before.validation_answers
    else:
        labels = held_out.labels.numpy()
        outputs, ood_scores = classify(Classifier.load(run), held_out, config.data)
        probabilities = outputs.double().numpy()
        temperature = fit_temperature(probabilities, labels)
        probabilities = apply_temperature(probabilities, temperature)
        bands = find_bands(probabilities, labels)
        threshold = find_ood_threshold(ood_scores)
        answers = summarise_answers(probabilities, ood_scores.numpy(), threshold)
    set_temperature(run, temperature)
    replace(
        card,
        temperature=temperature,
        bands=bands,
        ood_threshold=threshold,
        validation_answers=answers,
    ).save(run)


def test(run: Path, images: LabelledImages, counts: list[int], config: Config) -> None:
    """Write the report on the test split, and its figures into the card of the run.

    The network was trained on so many images of each class as ``counts`` says.
    """
    classifier = Classifier.load(run)
    card = classifier.card
    probabilities, ood_scores = classify(classifier, images, config.data)
    evaluation = Evaluation(images, probabilities)
    text = write_test_report(run, evaluation)
    error, calibration = write_calibration_report(run, evaluation, card.temperature)
    strangers = measure_strangers(classifier, ood_scores)
    replace(
        card,
        test_accuracy=evaluation.accuracy,
        recalls=evaluation.recalls,
        calibration_error=error,
        strangers=strangers,
    ).save(run)
    print(f"\nTest split, weights of epoch {card.epochs}: accuracy {evaluation.accuracy:.2%}\n")
    print(f"{text}\n{calibration}\n\n{write_strangers_report(run, strangers)}\n")
    print(f"{describe_verdict(evaluation, training_counts=counts)}\n")


if __name__ == "__main__":
    sys.exit(main())
