"""Evaluate a trained model: write its report, and a page with the pictures behind each number.

    python -m model.evaluate runs/long                    CIFAR-10's test images, downloaded
    python -m model.evaluate runs/long --data DIR         DIR/test/<class>/*, or DIR/<class>/*
    python -m model.evaluate runs/long --data DIR --split all
    python -m model.evaluate runs/long --strangers DIR    and how well it notices other things
    python -m model.evaluate runs/ONE runs/OTHER --data DIR          which of the two is better

Any number of pictures will do, of any of the model's classes. Where the folder has no test/ folder,
a run is tested with the pictures that were held out when it was trained, and an archive with all.
The results are files: the classification report, the confusion matrix, ``predictions.csv`` and
``confusion_matrix.html``, in which a click on a cell shows the pictures behind it; for two models
``comparison.txt``, ``.json`` and ``.html``. The pages contain pictures of the data, so share them
only if you may share those.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

try:
    import numpy as np
    import torch
except ModuleNotFoundError:
    sys.exit("model.evaluate: error: PyTorch is not installed here; `make setup` installs it")

from model.command_line import CommandError, OneLineParser, command, expect_model, visible
from model.data.folders import describe_source
from model.data.tested_files import are_test_files
from model.evaluation.calibration import write_calibration_report
from model.evaluation.comparison import write_comparison
from model.evaluation.images import find_classes, list_names, load_images
from model.evaluation.page import write_page
from model.evaluation.report import write_csv, write_test_report
from model.evaluation.scores import Evaluation, classify
from model.evaluation.strangers import measure_strangers, write_strangers_report
from model.evaluation.verdict import describe_verdict
from model.inference.card import ModelCard, Strangers
from model.inference.classifier import Classifier


@command("model.evaluate")
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = create_parser()
    options = parser.parse_intermixed_args(arguments)
    if options.data and not options.data.is_dir():
        parser.error(f"--data: {options.data} is not a folder")
    if missing := [folder for folder in options.strangers if not folder.is_dir()]:
        parser.error(f"--strangers: {missing[0]} is not a folder")
    if options.other and options.strangers:
        parser.error("--strangers: name one MODEL")
    evaluate(options)
    return 0


def create_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser("python -m model.evaluate", __doc__)
    text = "folder of a run, or an archive (.mar)"
    parser.add_argument("model", type=Path, metavar="MODEL", help=text)
    text = "a second one to compare it with"
    parser.add_argument("other", type=Path, metavar="OTHER", nargs="?", help=text)
    text = "folder-per-class tree (default: CIFAR-10, downloaded to data/)"
    parser.add_argument("--data", type=Path, metavar="DIR", help=text)
    text = "leave out files that can't be read as pictures instead of stopping"
    parser.add_argument("--skip-unreadable", action="store_true", help=text)
    text = "folder of pictures of other things, such as the model should notice; may be repeated"
    parser.add_argument(
        "--strangers", type=Path, metavar="DIR", action="append", default=[], help=text
    )
    text = "all: every picture, including those for training (default: test, the test images)"
    parser.add_argument("--split", choices=["test", "all"], default="test", help=text)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the results, which replace earlier ones (default: evaluation/ in the run; "
        "evaluation/<name>-<version> for an archive, evaluation/<A>-and-<B> for two models)",
    )
    return parser


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate as the command line in ``options`` says, and write and print the results.

    Raises:
        CommandError: The images or the model can't be used, they don't fit each other, or the
            results can't be written.
    """
    paths = [path for path in (options.model, options.other) if path]
    classifiers = [load_classifier(path) for path in paths]
    cards = [classifier.card for classifier in classifiers]
    if differing := set(cards[0].class_names) ^ set(cards[-1].class_names):
        raise CommandError(
            f"the models must know the same classes; only one knows {list_names(sorted(differing))}"
        )
    source = describe_source(options.data)
    load = partial(load_images, options.data, options.model, split=options.split)
    load = partial(load, skip_unreadable=options.skip_unreadable)
    images, description = load(cards[0])
    if options.data and options.split == "test":
        for path, card in zip(paths, cards, strict=True):
            was_trained_on = source == card.data and description == "all images"
            _note_training_images(path, images.names, was_trained_on=was_trained_on)
    output = options.output or default_output(options.model, *cards)
    evaluations = []
    try:
        output.mkdir(parents=True, exist_ok=True)
        for path, classifier, card in zip(paths, classifiers, cards, strict=True):
            if card.image_size != images.store.shape[-1]:
                images, _ = load(replace(cards[0], image_size=card.image_size))
            # In the order of the first model's classes.
            probabilities = torch.zeros(len(images), len(cards[0].class_names))
            columns = find_classes(card.class_names, cards[0])
            probabilities[:, columns], ood_scores = classify(classifier, images, options.data)
            evaluation = Evaluation(
                images,
                probabilities,
                model=f"{card.name} {card.version}".rstrip()
                + (f" ({path})" if options.other else ""),
                source=f"{source}, {description}",
            )
            evaluations.append(evaluation)
        if options.other:
            print(write_comparison(output, *evaluations))
        else:
            strangers = measure_strangers(classifiers[0], ood_scores, options.strangers)
            _report(output, evaluations[0], description, cards[0].temperature, strangers)
    except OSError as error:
        raise CommandError(
            f"{output} can't be written ({error}); choose another --output"
        ) from error


def load_classifier(source: Path) -> Classifier:
    """Load the classifier of a run or of an archive."""
    with expect_model(source):
        return Classifier.load(source)


def _note_training_images(model: Path, names: Sequence[str], *, was_trained_on: bool) -> None:
    """Tell if ``model`` may have been trained on the images of these ``names``."""
    recorded = are_test_files(model, names)
    if new := recorded.count(False):
        # The test split that is held out of a folder changes when files are added or removed.
        print(
            f"note: {new:,} of the {len(names):,} images were not in the test split of {model}, "
            "which may have been trained on them",
            file=sys.stderr,
        )
    elif was_trained_on and not recorded:
        print(
            f"note: {model} was trained on pictures of a folder of this name; its run knows which "
            "ones were held out, so evaluate that instead",
            file=sys.stderr,
        )


def default_output(source: Path, *cards: ModelCard) -> Path:
    """Return the folder of the results of one or two models where ``--output`` is not given."""
    names = [f"{card.name}-{card.version}".rstrip("-") for card in cards]
    if len(names) == 1 and source.is_dir():
        return source / "evaluation"
    # The maker of an archive chooses the names in it, but must not choose the folder.
    return Path("evaluation") / re.sub(r"[^\w.-]|^\.+$", "_", "-and-".join(names))


def _report(
    output: Path,
    evaluation: Evaluation,
    images: str,
    temperature: float,
    strangers: Sequence[Strangers],
) -> None:
    """Write all results to the folder ``output``, and print the report."""
    text = write_test_report(output, evaluation, images)
    _, calibration = write_calibration_report(output, evaluation, temperature, images)
    write_predictions(output / "predictions.csv", evaluation)
    page = output / "confusion_matrix.html"
    write_page(page, evaluation)
    print("\n".join(map(visible, text.splitlines())))
    print(f"{calibration}\n\n{write_strangers_report(output, strangers)}\n")
    print(f"{describe_verdict(evaluation, f'images ({evaluation.source})')}\n")
    print(f"Everything is in {output}/. Open this page to see the pictures behind the numbers:")
    print(page)


def write_predictions(file: Path, evaluation: Evaluation) -> None:
    """Write ``predictions.csv``, with one row for each image."""
    names = np.array(evaluation.images.class_names, dtype=object)
    columns = (
        evaluation.images.names,
        names[evaluation.images.labels.numpy()],
        names[evaluation.predictions.numpy()],
        [f"{confidence:.6f}" for confidence in evaluation.confidences.tolist()],
    )
    header = ["image", "true class", "predicted class", "confidence"]
    write_csv(file, header, zip(*columns, strict=True))


if __name__ == "__main__":
    sys.exit(main())
