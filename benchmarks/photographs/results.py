"""What the pictures of a tree show, what models take them for, and how often they are right."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from sklearn.metrics import roc_auc_score

from model.command_line import format_percentage, progress, visible
from model.evaluation.scores import wilson_interval
from model.images.preprocessing import Fit
from model.inference.classifier import Classifier
from model.inference.files import classify_files, find_files

# What the REST endpoint answers, with ``file`` and ``truth``, the label of its folder, before it.
Answer = dict[str, Any]


class Result(NamedTuple):
    """The answers of a model, the most confident first, and why some files can't be read."""

    model: str
    image_size: int
    fit: Fit
    right: list[Answer]
    wrong: list[Answer]
    strangers: list[Answer]
    unreadable: dict[str, str]


def label_files(directory: Path, classes: Sequence[str], strangers: str | None) -> dict[str, str]:
    """Label files by the outermost folder that is a label; ``ValueError`` if they lie elsewhere."""
    labels, others, known = {}, set(), {*classes, strangers}
    for name in find_files([str(directory)]):
        file = Path(name).relative_to(directory)
        folders = [unicodedata.normalize("NFC", part) for part in file.parent.parts]
        if label := next(filter(known.__contains__, folders), None):
            labels[str(file)] = label
        else:
            others.add(file.parent)
    # Files may lie beside the folders of the classes, as a README does.
    if unknown := others.difference([Path()], *(Path(file).parents for file in labels)):
        raise ValueError(
            f"{visible(directory / min(unknown))} is none of the model's classes "
            f"({', '.join(classes)}); rename it, or say --strangers NAME if it shows other things"
        )
    if strangers and strangers not in set(labels.values()).difference(classes):
        raise ValueError(f"--strangers: {directory} has no {strangers} beside the model's classes")
    return labels


def ask(name: str, model: Classifier, directory: Path, strangers: str | None) -> Result:
    """Classify files as the server does; ``ValueError`` where the tree doesn't fit the model."""
    classes = model.card.class_names
    labels = label_files(directory, classes, strangers)
    files = progress([str(directory / file) for file in labels], name, "pictures")
    outcomes = zip(labels.items(), classify_files(model, files), strict=True)
    answers = [{"file": file, "truth": truth, **answer} for (file, truth), (_, answer) in outcomes]
    unreadable = {one["file"]: one["error"]["message"] for one in answers if "error" in one}
    read = [one for one in answers if "error" not in one]
    read.sort(key=lambda one: -one["confidence"])
    right = [one for one in read if one["truth"] == one["label"]]
    wrong = [one for one in read if one["truth"] != one["label"] and one["truth"] in classes]
    if not right + wrong:
        raise ValueError(f"{directory} has no readable picture in a folder named after a class")
    others = [one for one in read if one["truth"] not in classes]
    name = f"{name} {model.card.version}".rstrip()
    return Result(name, model.card.image_size, model.card.fit, right, wrong, others, unreadable)


def figures(result: Result) -> dict[str, str]:
    """Return the figures of a model by their names, and how often it is right in each class."""
    right = Counter(one["truth"] for one in result.right)
    total = right + Counter(one["truth"] for one in result.wrong)
    answers = [*result.right, *result.wrong, *result.strangers]
    is_known = [one["truth"] in total for one in answers]
    confidences = [one["confidence"] for one in answers]
    auroc = f"{roc_auc_score(is_known, confidences):.3f}" if result.strangers else "–"
    interval = wilson_interval(right.total(), total.total())
    return {
        "right": _share(right.total(), total.total()),
        "… 95 % interval": " to ".join(map(format_percentage, interval)),
        "mean of the classes": format_percentage(fmean(right[one] / total[one] for one in total)),
        "strangers": f"{len(result.strangers):,}",
        "AUROC of strangers": auroc,
        **{visible(name): _share(right[name], total[name]) for name in sorted(total)},
    }


def _share(count: int, total: int) -> str:
    return f"{format_percentage(count / total)} ({count:,} of {total:,})"
