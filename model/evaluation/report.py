"""The report on a test split: scikit-learn's scores, the confusion matrix, and the files."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from sklearn.metrics import accuracy_score, classification_report, confusion_matrix
from torch import Tensor

from model.evaluation.confusion_figure import draw_confusion_matrix

TEST_FILES_FILE_NAME = "test_files.txt"
# Encoding and error handler of names in files. The name of a folder may contain bytes that are not
# UTF-8, which are written as they are.
NAME_ENCODING = ("utf-8", "surrogateescape")


def write_test_files(directory: Path, files: Sequence[str]) -> None:
    """Write the names of the files of the test split, one on each line.

    Args:
        directory: the folder of the run.
        files: paths of the files, relative to the folder of the data.

    Raises:
        OSError: the list can't be written.
    """
    text = "".join(f"{_on_one_line(file)}\n" for file in files)
    (directory / TEST_FILES_FILE_NAME).write_text(text)


def count_new_test_files(directory: Path, files: Sequence[str]) -> int:
    """Count the files that were not among those of :func:`write_test_files`.

    Returns:
        The number of files; 0 where the run has no list of its test split.
    """
    recorded = directory / TEST_FILES_FILE_NAME
    if not recorded.is_file():
        return 0
    return len(set(map(_on_one_line, files)) - set(recorded.read_text().splitlines()))


def _on_one_line(file: str) -> str:
    # Names of files may contain line breaks, and bytes that are not UTF-8.
    return ascii(file)[1:-1]


def write_test_report(
    directory: Path,
    labels: Tensor,
    predictions: Tensor,
    class_names: Sequence[str],
    images: str = "test images",
) -> tuple[float, str]:
    """Write scikit-learn's classification report and the confusion matrix.

    The files are ``classification_report.txt`` and ``.json``, and ``confusion_matrix.csv`` and
    ``.png``.

    Args:
        directory: the folder to write to.
        labels: int64 ``(N,)``, true class indices.
        predictions: int64 ``(N,)``, predicted class indices.
        class_names: names of the classes, by class index.
        images: what the images are, for the title of the figure.

    Returns:
        The accuracy in [0, 1], and the text of the report.

    Raises:
        OSError: a file can't be written.
    """
    indices = list(range(len(class_names)))
    settings = {"labels": indices, "target_names": list(class_names), "zero_division": 0}
    text = str(classification_report(labels, predictions, digits=4, **settings))
    as_dict = classification_report(labels, predictions, output_dict=True, **settings)
    (directory / "classification_report.txt").write_text(text, *NAME_ENCODING)
    (directory / "classification_report.json").write_text(json.dumps(as_dict, indent=2) + "\n")
    matrix = confusion_matrix(labels, predictions, labels=indices)
    rows = ([name, *row] for name, row in zip(class_names, matrix.tolist(), strict=True))
    write_csv(directory / "confusion_matrix.csv", ["true \\ predicted", *class_names], rows)
    draw_confusion_matrix(directory / "confusion_matrix.png", matrix, class_names, images)
    return float(accuracy_score(labels, predictions)), text


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table that may contain names of files or folders.

    Raises:
        OSError: the file can't be written.
    """
    encoding, errors = NAME_ENCODING
    with file.open("w", encoding=encoding, errors=errors, newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
