"""Show how often models are right on your own photographs, and which ones they get wrong.

DIR holds pictures in folders named after the models' classes, such as DIR/cat/*.jpg, at any depth;
not every class needs one. One more folder may hold pictures of other things: --strangers names it.
Each picture goes the way that it goes in the server. The report says how often each model is right,
and how well it tells strangers apart; FILE.html shows the most confident mistakes. It
contains pictures, so share it only if you may share those.

  python -m benchmarks.photographs DIR                          the shipped models
  python -m benchmarks.photographs DIR --strangers others       DIR/others/ shows other things
  python -m benchmarks.photographs DIR --models A.mar runs/B    two models side by side
"""

import argparse
import base64
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks.common.command import MODELS, Command, option
from benchmarks.common.pictures import encode
from benchmarks.common.report import Report, table
from model.command_line import CommandError, format_percentage, progress, visible
from model.evaluate import load_classifier
from model.evaluation.page import render_page
from model.evaluation.scores import wilson_interval
from model.images.preprocessing import Fit, prepare
from model.inference.classifier import Classifier
from model.inference.files import classify_files, find_files

# What the REST endpoint answers, with ``file`` and ``truth``, the label of its folder, before it.
Answer = dict[str, Any]
# Most pictures in a list, and the shorter side of a thumbnail.
SHOWN, SIDE = 60, 256
TEMPLATE = Path(__file__).with_name("page.html")
OPTIONS = (
    option("directory", "the folder of the pictures", type=Path, metavar="DIR"),
    option("--strangers", "folder of pictures of other things (default: none)", metavar="NAME"),
    MODELS,
)


class Result(NamedTuple):
    """The answers of a model, the most confident first, and why some files can't be read."""

    model: str
    image_size: int
    fit: Fit
    right: list[Answer]
    wrong: list[Answer]
    strangers: list[Answer]
    unreadable: dict[str, str]


def measure(options: argparse.Namespace) -> Report:
    """Ask every model about every picture and write the page; ``CommandError`` for wrong input."""
    models = [(source.name, load_classifier(source)) for source in options.models]
    results = [ask(*model, options.directory, options.strangers) for model in models]
    columns = [figures(result) for result in results]
    rows = [[name, *(column.get(name, "–") for column in columns)] for name in columns[0]]
    page = options.output.with_suffix(".html")
    write_page(page, options.directory, rows, results)
    print(f"The most confident mistakes are shown in {page}.")
    parts = [table(["", *(visible(result.model) for result in results)], rows)]
    if unreadable := results[0].unreadable:
        parts += ["## Left out", *(f"- {visible(file)}: {why}" for file, why in unreadable.items())]
    return Report("Photographs", parts, {"results": [one._asdict() for one in results]}, {}, {})


def label_files(directory: Path, classes: Sequence[str], strangers: str | None) -> dict[str, str]:
    """Label files by the outermost folder that is a label; ``CommandError`` if one has none."""
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
        raise CommandError(
            f"{visible(directory / min(unknown))} is none of the model's classes "
            f"({', '.join(classes)}); rename it, or say --strangers NAME if it shows other things"
        )
    if strangers and strangers not in set(labels.values()).difference(classes):
        raise CommandError(
            f"--strangers: {directory} has no {strangers} beside the model's classes"
        )
    return labels


def ask(name: str, model: Classifier, directory: Path, strangers: str | None) -> Result:
    """Classify files as the server does; ``CommandError`` where the tree doesn't fit the model."""
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
        raise CommandError(f"{directory} has no readable picture in a folder named after a class")
    others = [one for one in read if one["truth"] not in classes]
    name = f"{name} {model.card.version}".rstrip()
    return Result(name, model.card.image_size, model.card.fit, right, wrong, others, unreadable)


def figures(result: Result) -> dict[str, str]:
    """Return the figures of a model by their names, and how often it is right in each class."""
    right = Counter(one["truth"] for one in result.right)
    total = right + Counter(one["truth"] for one in result.wrong)
    answers = [*result.right, *result.wrong, *result.strangers]
    is_strange = [one["truth"] not in total for one in answers]
    scores = [one.get("ood_score", -one["confidence"]) for one in answers]
    auroc = f"{roc_auc_score(is_strange, scores):.3f}" if result.strangers else "–"
    interval = wilson_interval(right.total(), total.total())
    return {
        "right": _share(right.total(), total.total()),
        "… 95 % interval": " to ".join(map(format_percentage, interval)),
        "mean of the classes": format_percentage(fmean(right[one] / total[one] for one in total)),
        "strangers": f"{len(result.strangers):,}",
        "AUROC of strangers": auroc,
        "… noticed": _count_unknown(result.strangers),
        "… false alarms": _count_unknown([*result.right, *result.wrong]),
        **{visible(name): _share(right[name], total[name]) for name in sorted(total)},
    }


def _count_unknown(answers: Sequence[Answer]) -> str:
    """Return how many answers are doubted, of a model that ever doubts."""
    told = [one["known"] for one in answers if "known" in one]
    return _share(told.count(False), len(told)) if told else "–"


def _share(count: int, total: int) -> str:
    return f"{format_percentage(count / total)} ({count:,} of {total:,})"


def write_page(file: Path, directory: Path, rows: list[list[str]], results: list[Result]) -> None:
    """Write the page; raises ``OSError`` where a picture can't be read or the page not written."""

    def pictures(answers: Sequence[Answer], model: Result) -> Iterator[tuple[Answer, str, str]]:
        for one in progress(answers[:SHOWN], "Thumbnails", "pictures"):
            data = (directory / one["file"]).read_bytes()
            seen = as_url(data, model.image_size, model.fit, "PNG")
            yield one, as_url(data, SIDE, "keep-aspect", "WEBP"), seen

    page = render_page(
        TEMPLATE, ["page.css"], rows=rows, results=results, pictures=pictures, shown=SHOWN
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")


def as_url(data: bytes, size: int, fit: Fit, image_format: str) -> str:
    """Return a picture as a model of this input size sees it, as a ``data:`` URL."""
    content = encode(Image.fromarray(prepare(data, size, fit).pixels), image_format)
    return f"data:image/{image_format.lower()};base64,{base64.b64encode(content).decode()}"


COMMAND = Command("photographs", __doc__, OPTIONS, measure, needs_quiet=False)

if __name__ == "__main__":
    COMMAND.main()
