"""The report on a test split: scikit-learn's scores, the confusion matrix, and the files."""

import csv
import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sklearn.metrics import accuracy_score, classification_report, confusion_matrix
from torch import Tensor

from model.evaluation.confusion_figure import draw_confusion_matrix

TEST_FILES_FILE_NAME = "test_files.txt"


def write_test_files(directory: Path, files: Sequence[str]) -> None:
    """Write the names of the files of a run's test split, one on each line."""
    text = "".join(f"{_on_one_line(file)}\n" for file in files)
    (directory / TEST_FILES_FILE_NAME).write_text(text)


def are_test_files(directory: Path, files: Sequence[str]) -> list[bool]:
    """Return for each file whether it is among those of :func:`write_test_files`.

    Where the run has no list of its test split, there are no answers.
    """
    recorded = directory / TEST_FILES_FILE_NAME
    if not recorded.is_file():
        return []
    names = set(recorded.read_text().splitlines())
    return [_on_one_line(file) in names for file in files]


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

    The report has the classes that ``labels`` has, and its means are over these.

    Args:
        directory: The folder to write to.
        labels: int64 ``(N,)``, true class indices.
        predictions: int64 ``(N,)``, predicted class indices.
        class_names: Names of the classes, by class index.
        images: What the images are, for the title of the figure.

    Returns:
        The accuracy in [0, 1], and the text of the report.

    Raises:
        OSError: A file can't be written.
    """
    as_dict, text = _score(labels, predictions, class_names)
    (directory / "classification_report.txt").write_text(text, encoding="utf-8")
    (directory / "classification_report.json").write_text(json.dumps(as_dict, indent=2) + "\n")
    matrix = confusion_matrix(labels, predictions, labels=range(len(class_names)))
    rows = ([name, *row] for name, row in zip(class_names, matrix.tolist(), strict=True))
    write_csv(directory / "confusion_matrix.csv", ["true \\ predicted", *class_names], rows)
    draw_confusion_matrix(directory / "confusion_matrix.png", matrix, class_names, images)
    return as_dict["accuracy"], text


def _score(
    labels: Tensor, predictions: Tensor, class_names: Sequence[str]
) -> tuple[dict[str, Any], str]:
    """Return the scores as they are in the JSON file, and as a table."""
    present = labels.unique().tolist()
    names = [class_names[index] for index in present]
    width = max(map(len, [*names, "balanced accuracy"]))
    report = partial(
        classification_report, labels, predictions, labels=present, digits=4, zero_division=0
    )
    # By index, because a class may be called "accuracy" or "macro avg".
    scores = report(output_dict=True, target_names=list(map(str, present)))
    as_dict = {
        "classes": {name: scores[str(index)] for name, index in zip(names, present, strict=True)},
        "accuracy": float(accuracy_score(labels, predictions)),
        # This is its definition; scikit-learn's function warns of answers with other classes.
        "balanced accuracy": scores["macro avg"]["recall"],
        "macro avg": scores["macro avg"],
        "weighted avg": scores["weighted avg"],
    }
    lines = report(target_names=[name.rjust(width) for name in names]).splitlines()
    # Where there are answers with other classes, scikit-learn writes "micro avg" in this line.
    lines[-3:-2] = [
        f"{name:>{width}} {as_dict[name]:>30.4f} {len(labels):>9}"
        for name in ("accuracy", "balanced accuracy")
    ]
    return as_dict, "\n".join(lines) + "\n"


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table that may contain names of files, also such that are not UTF-8."""
    with file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
