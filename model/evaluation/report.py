"""The report on a test split: scikit-learn's scores, the confusion matrix, and the files."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from model.evaluation.confusion_figure import draw_confusion_matrix
from model.evaluation.scores import Evaluation


def write_test_report(directory: Path, evaluation: Evaluation, images: str = "test images") -> str:
    """Write scikit-learn's classification report and the confusion matrix; return the report.

    The report has the classes that have images, and its means are over these. The title of the
    figure says what the ``images`` are.
    """
    scores, text, names = evaluation.scores, _as_text(evaluation), evaluation.images.class_names
    (directory / "classification_report.txt").write_text(text, encoding="utf-8")
    (directory / "classification_report.json").write_text(json.dumps(scores, indent=2) + "\n")
    rows = ([name, *row] for name, row in zip(names, evaluation.matrix.tolist(), strict=True))
    write_csv(directory / "confusion_matrix.csv", ["true \\ predicted", *names], rows)
    draw_confusion_matrix(directory / "confusion_matrix.png", evaluation.matrix, names, images)
    return text


def _as_text(evaluation: Evaluation) -> str:
    names, total = [*evaluation.scores["classes"]], len(evaluation.images)
    width = max(map(len, [*names, "balanced accuracy"]))
    lines = evaluation.report([name.rjust(width) for name in names]).splitlines()
    # Where there are answers with other classes, scikit-learn writes "micro avg" in this line.
    lines[-3:-2] = [
        f"{name:>{width}} {evaluation.scores[name]:>30.4f} {total:>9}"
        for name in ("accuracy", "balanced accuracy")
    ]
    return "\n".join(lines) + "\n"


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table that may contain names of files, also such that are not UTF-8."""
    with file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
