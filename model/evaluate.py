"""Evaluate a trained model: the report again, and a page with the pictures behind each number.

    python -m model.evaluate runs/NAME                    CIFAR-10's test images, downloaded
    python -m model.evaluate model_store/cifar10.mar --data DIR
                                                          DIR/test/<class>/*

Classes are matched by name; the folder may have some of the model's only. Writes the classification
report (text and JSON), the confusion matrix (CSV and PNG), ``predictions.csv`` and
``confusion_matrix.html``: one file without a server, where a click on a cell of the confusion
matrix shows the pictures behind it. It holds pictures of the data: pass it on only if you may pass
on those.
"""

import argparse
import csv
import re
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch

from model.classifier import Classifier
from model.cpu import tune_cpu
from model.data import Dataset, LabelledImages, load_cifar10, load_folders
from model.data_error import DataError
from model.evaluation import Evaluation, classify, printable, wilson_interval
from model.evaluation_page import write_page
from model.model_card import ModelCard
from model.options import OneLineParser
from model.reports import NAMES_ON_DISK, other_test_files, write_test_report

PAGE_FILE_NAME = "confusion_matrix.html"
EPILOG = """\
examples:
  python -m model.evaluate runs/long                   CIFAR-10's test images
  python -m model.evaluate runs/long --data DIR        your own: DIR/test/<class>/<image>
  python -m model.evaluate runs/long --data DIR --split all
  python -m model.evaluate model_store/cifar10.mar --data DIR --output /tmp/evaluation
"""


class EvaluationError(ValueError):
    """The evaluation can't be made as asked; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = create_parser()
    options = parser.parse_args(arguments)
    if options.data and not options.data.is_dir():
        parser.error(f"--data: {options.data} is no folder")
    tune_cpu()
    try:
        evaluate(options)
    except (DataError, EvaluationError, OSError) as error:
        print(f"model.evaluate: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("model.evaluate: interrupted", file=sys.stderr)
        return 130
    return 0


def create_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser(
        prog="python -m model.evaluate",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="a run's directory, or an archive (.mar)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder-per-class tree (default: CIFAR-10, downloaded to data/)",
    )
    parser.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="leave out files that can't be read as pictures, instead of stopping",
    )
    parser.add_argument(
        "--split",
        choices=("test", "all"),
        default="test",
        help="test: the test images; all: every picture, those for training too (default: test)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where the results go, in the place of earlier ones (default: evaluation/ in the "
        "run; evaluation/<name>-<version> for an archive)",
    )
    return parser


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate as ``options`` say: print, and write all there is to see.

    Raises:
        DataError: the images can't be used.
        EvaluationError: the model can't be used, doesn't fit the images, or nothing can be written.
    """
    classifier = load_classifier(options.model)
    if options.data is None:
        dataset = load_cifar10(Path("data"))
    else:
        dataset = load_folders(
            options.data,
            classifier.card.image_size,
            skip_unreadable=options.skip_unreadable,
            test_alone=options.split == "test",
        )
    warn_of_other_test_split(options, dataset)
    images, names = choose_images(dataset, options.split)
    labels = translate_labels(images.labels, dataset.class_names, classifier.card)
    images = LabelledImages(images.pixels, labels)
    output = options.output or default_output(options.model, classifier.card)
    try:
        output.mkdir(parents=True, exist_ok=True)
        evaluation = Evaluation(
            images,
            names,
            *classify(classifier, images.pixels),
            classifier.card.class_names,
            model=f"{classifier.card.name} {classifier.card.version}".rstrip(),
            source=f"{dataset.source}, {describe_split(options.split)}",
        )
        report(output, evaluation, options.split)
    except OSError as error:
        raise EvaluationError(
            f"{output} can't be written ({error}); choose another --output"
        ) from error


def load_classifier(source: Path) -> Classifier:
    """Load a run or an archive; raises ``EvaluationError``."""
    try:
        return Classifier.load(source)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise EvaluationError(f"{source} is no finished run and no archive ({error})") from error


def warn_of_other_test_split(options: argparse.Namespace, dataset: Dataset) -> None:
    """Say so where a run may have been trained on pictures that count as test images now.

    A test split that is held out of a folder is another one when files are added or removed.
    """
    others = other_test_files(options.model, dataset.test_files)
    if others and options.split == "test":
        print(
            f"note: {others:,} of the {len(dataset.test_files):,} test images were not in the "
            f"test split of {options.model}, which may have been trained on them",
            file=sys.stderr,
        )


def choose_images(dataset: Dataset, split: str) -> tuple[LabelledImages, list[str]]:
    """Return the images of ``split`` and a name for each: its file, or its place in the split."""
    test_names = list(dataset.test_files) or _numbered("test", len(dataset.test))
    train_names = list(dataset.train_files) or _numbered("training", len(dataset.train))
    if split == "test":
        return dataset.test, test_names
    everything = LabelledImages(
        torch.cat([dataset.train.pixels, dataset.test.pixels]),
        torch.cat([dataset.train.labels, dataset.test.labels]),
    )
    return everything, [*train_names, *test_names]


def _numbered(split: str, count: int) -> list[str]:
    return [f"{split} image {index}" for index in range(count)]


def describe_split(split: str) -> str:
    """Put the value of ``--split`` into words."""
    return {"test": "test images", "all": "training and test images"}[split]


def translate_labels(
    labels: torch.Tensor, class_names: Sequence[str], card: ModelCard
) -> torch.Tensor:
    """Turn class indices of the data into those of the model, by the names of the classes.

    Args:
        labels: int64 ``(N,)``, indices of ``class_names``.
        class_names: the data's.
        card: the model's.

    Raises:
        EvaluationError: the model does not know a class.
    """
    index_by_name = {name: index for index, name in enumerate(card.class_names)}
    unknown = [name for name in class_names if name not in index_by_name]
    if unknown:
        raise EvaluationError(
            f"the model does not know {_enumerate(unknown)}; it knows "
            f"{_enumerate(card.class_names)}. Folders must be named as its classes are."
        )
    return torch.tensor([index_by_name[name] for name in class_names])[labels]


def _enumerate(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(map(printable, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def default_output(source: Path, card: ModelCard) -> Path:
    """Return where the results go when nobody says."""
    if source.is_dir():
        return source / "evaluation"
    # The names in an archive are its maker's, who must not choose the folder.
    return Path("evaluation") / re.sub(r"[^\w.-]", "_", f"{card.name}-{card.version}")


def report(output: Path, evaluation: Evaluation, split: str) -> None:
    """Write everything and print the report; raises ``OSError``."""
    accuracy, text = write_test_report(
        output,
        evaluation.images.labels,
        evaluation.predictions,
        evaluation.class_names,
        describe_split(split),
    )
    write_predictions(output / "predictions.csv", evaluation)
    write_page(output / PAGE_FILE_NAME, evaluation)
    total = len(evaluation.images)
    low, high = wilson_interval(evaluation.correct, total)
    print(printable(text))
    print(
        f"Accuracy {accuracy:.2%} of {total:,} images ({evaluation.source}); "
        f"95 % interval {low:.2%} to {high:.2%}"
    )
    print(f"All of it is in {output}/. The page to open, with the pictures behind the numbers:")
    print(output / PAGE_FILE_NAME)


def write_predictions(file: Path, evaluation: Evaluation) -> None:
    """Write ``predictions.csv``, one row an image."""
    encoding, errors = NAMES_ON_DISK
    class_names = evaluation.class_names
    with file.open("w", encoding=encoding, errors=errors, newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "true class", "predicted class", "confidence"])
        writer.writerows(
            [name, class_names[label], class_names[prediction], f"{confidence:.6f}"]
            for name, label, prediction, confidence in zip(
                evaluation.names,
                evaluation.images.labels.tolist(),
                evaluation.predictions.tolist(),
                evaluation.confidences.tolist(),
                strict=True,
            )
        )


if __name__ == "__main__":
    sys.exit(main())
