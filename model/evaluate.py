"""Evaluate a trained model: write its report, and a page with the pictures behind each number.

    python -m model.evaluate runs/NAME                    CIFAR-10's test images, downloaded
    python -m model.evaluate model_store/cifar10.mar --data DIR
                                                          DIR/test/<class>/*

Classes are matched by name, so the folder may have only some of the model's classes. The command
writes the classification report (text and JSON), the confusion matrix (CSV and PNG),
``predictions.csv`` and ``confusion_matrix.html``: a single file that needs no server, in which a
click on a cell of the confusion matrix shows the pictures behind it. It contains pictures of the
data, so share it only if you may share those.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

try:
    import torch
    from torch import Tensor
except ModuleNotFoundError:
    sys.exit("model.evaluate: error: PyTorch is not installed here; `make setup` installs it")

from model.command_line import OneLineParser
from model.data.cifar10 import load_cifar10
from model.data.dataset import DataError, Dataset, LabelledImages
from model.data.folders import load_folders
from model.evaluation.page import write_page
from model.evaluation.report import count_new_test_files, write_csv, write_test_report
from model.evaluation.scores import Evaluation, classify, printable, wilson_interval
from model.export.graph import export_run
from model.inference import GRAPH_FILE_NAME
from model.inference.card import ModelCard
from model.inference.classifier import Classifier

PAGE_FILE_NAME = "confusion_matrix.html"
# Descriptions of the images that the values of --split stand for.
SPLITS = {"test": "test images", "all": "training and test images"}
EPILOG = """\
examples:
  python -m model.evaluate runs/long                   CIFAR-10's test images
  python -m model.evaluate runs/long --data DIR        your own: DIR/test/<class>/<image>
  python -m model.evaluate runs/long --data DIR --split all
  python -m model.evaluate model_store/cifar10.mar --data DIR --output /tmp/evaluation
"""


class EvaluationError(ValueError):
    """The evaluation can't be made as it was asked for; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the command line without the program's name; None for ``sys.argv``.

    Returns:
        The exit code: 0 for success, 2 for data or a model that can't be used, and 130 after
        Ctrl-C.
    """
    parser = create_parser()
    options = parser.parse_args(arguments)
    if options.data and not options.data.is_dir():
        parser.error(f"--data: {options.data} is not a folder")
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
    parser = OneLineParser("python -m model.evaluate", __doc__, EPILOG)
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="folder of a run, or an archive (.mar)"
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
        help="leave out files that can't be read as pictures instead of stopping",
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="test",
        help="test: the test images; all: every picture, including those for training (default: "
        "test)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the results, which replace earlier ones (default: evaluation/ in the run; "
        "evaluation/<name>-<version> for an archive)",
    )
    return parser


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate as the command line in ``options`` says, and write and print the results.

    Raises:
        DataError: the images can't be used.
        EvaluationError: the model can't be used or doesn't fit the images, or the results can't be
            written.
    """
    classifier = _load_classifier(options.model)
    if options.data is None:
        dataset = load_cifar10(Path("data"))
    else:
        dataset = load_folders(
            options.data,
            classifier.card.image_size,
            skip_unreadable=options.skip_unreadable,
            test_alone=options.split == "test",
        )
    new = count_new_test_files(options.model, dataset.test_files)
    if new and options.split == "test":
        # The test split that is held out of a folder changes when files are added or removed.
        print(
            f"note: {new:,} of the {len(dataset.test_files):,} test images were not in the "
            f"test split of {options.model}, which may have been trained on them",
            file=sys.stderr,
        )
    images, names = _choose_images(dataset, options.split)
    labels = _translate_labels(images.labels, dataset.class_names, classifier.card)
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
            source=f"{dataset.source}, {SPLITS[options.split]}",
        )
        _report(output, evaluation, SPLITS[options.split])
    except OSError as error:
        raise EvaluationError(
            f"{output} can't be written ({error}); choose another --output"
        ) from error


def _load_classifier(source: Path) -> Classifier:
    """Load the classifier of a run, which is exported if necessary, or of an archive."""
    try:
        if source.is_dir() and not (source / GRAPH_FILE_NAME).exists():
            export_run(source)
        return Classifier.load(source)
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{source} is not a finished run or an archive ({error})") from error


def _choose_images(dataset: Dataset, split: str) -> tuple[LabelledImages, Sequence[str]]:
    """Return the images of ``split`` and a name of each: its file, or its position in the split."""
    train, test = range(len(dataset.train)), range(len(dataset.test))
    train_names = dataset.train_files or [f"training image {index}" for index in train]
    test_names = dataset.test_files or [f"test image {index}" for index in test]
    if split == "test":
        return dataset.test, test_names
    everything = LabelledImages(
        torch.cat([dataset.train.pixels, dataset.test.pixels]),
        torch.cat([dataset.train.labels, dataset.test.labels]),
    )
    return everything, [*train_names, *test_names]


def _translate_labels(labels: Tensor, class_names: Sequence[str], card: ModelCard) -> Tensor:
    """Translate indices of ``class_names``, int64 ``(N,)``, to those of the model's classes."""
    index_by_name = {name: index for index, name in enumerate(card.class_names)}
    unknown = [name for name in class_names if name not in index_by_name]
    if unknown:
        raise EvaluationError(
            f"the model does not know {_enumerate(unknown)}; it knows "
            f"{_enumerate(card.class_names)}. Give the folders the names of its classes."
        )
    return torch.tensor([index_by_name[name] for name in class_names])[labels]


def _enumerate(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(map(printable, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def default_output(source: Path, card: ModelCard) -> Path:
    """Return the folder of the results where ``--output`` is not given."""
    if source.is_dir():
        return source / "evaluation"
    # The maker of an archive chooses the names in it, but must not choose the folder.
    return Path("evaluation") / re.sub(r"[^\w.-]", "_", f"{card.name}-{card.version}")


def _report(output: Path, evaluation: Evaluation, images: str) -> None:
    """Write all results to the folder ``output``, and print the report."""
    accuracy, text = write_test_report(
        output, evaluation.images.labels, evaluation.predictions, evaluation.class_names, images
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
    print(f"Everything is in {output}/. Open this page to see the pictures behind the numbers:")
    print(output / PAGE_FILE_NAME)


def write_predictions(file: Path, evaluation: Evaluation) -> None:
    """Write ``predictions.csv``, with one row for each image.

    Raises:
        OSError: the file can't be written.
    """
    class_names = evaluation.class_names
    rows = (
        [name, class_names[label], class_names[prediction], f"{confidence:.6f}"]
        for name, label, prediction, confidence in zip(
            evaluation.names,
            evaluation.images.labels.tolist(),
            evaluation.predictions.tolist(),
            evaluation.confidences.tolist(),
            strict=True,
        )
    )
    write_csv(file, ["image", "true class", "predicted class", "confidence"], rows)


if __name__ == "__main__":
    sys.exit(main())
