"""Measure what training gives with few pictures of classes that the shipped model does not know.

DIR has a folder of pictures for each class, such as those of CIFAR-100. Each draw takes some of the
classes and some pictures of each, and train.py trains on them as it does by default, going on from
the shipped model, and from scratch. The report says how many of the other pictures of these classes
each of the two gets right, and how long it takes, from the command to the report.

  python -m benchmarks.few_pictures DIR                            20 minutes on two cores
  python -m benchmarks.few_pictures DIR --pictures 20 --draws 1    two trainings
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.common.command import Command, option
from benchmarks.common.programs import run_to_end
from benchmarks.common.report import Report, table
from model.command_line import CommandError, format_percentage, whole_number
from model.data.image_files import list_files

# Options of train.py by what they stand for.
STARTS = {"from version 2.0": [], "from scratch": ["--from-scratch"]}
OPTIONS = (
    option("directory", "the folder of the classes", type=Path, metavar="DIR"),
    option(
        "--pictures",
        "numbers of pictures of a class to train and validate with (default: 5 20 30)",
        [5, 20, 30],
        nargs="+",
        type=whole_number(2),
        metavar="N",
    ),
    option("--classes", "number of classes in a draw", 10, type=whole_number(2)),
    option("--draws", "number of draws of classes and pictures", 5),
)


def measure(options: argparse.Namespace) -> Report:
    """Train on every draw, from each start; ``CommandError`` where there are too few pictures."""
    files = list_files(options.directory, "")
    measured, rows = [], []
    for pictures in options.pictures:
        row = [str(pictures)]
        for start, more in STARTS.items():
            runs = []
            for draw in range(options.draws):
                with tempfile.TemporaryDirectory() as folder:
                    chosen = draw_pictures(files, options.classes, pictures, draw)
                    lay_out(chosen, options.directory.absolute(), pictures, Path(folder, "data"))
                    accuracy, seconds = _train(Path(folder), more)
                run = {"pictures": pictures, "draw": draw, "start": start, "classes": list(chosen)}
                runs.append(run | {"accuracy": accuracy, "seconds": seconds})
                training = f"{pictures} pictures, {start}, draw {draw + 1} of {options.draws}"
                result = f"{format_percentage(accuracy)} right after {seconds:.0f} s"
                print(f"{training}: {result}", flush=True)
            accuracies = [run["accuracy"] for run in runs]
            mean = format_percentage(statistics.fmean(accuracies))
            row.append(f"{mean} ± {100 * statistics.pstdev(accuracies):.1f}")
            row.append(f"{statistics.median(run['seconds'] for run in runs):.0f} s")
            measured += runs
        rows.append(row)
    header = ["pictures of a class", *(cell for start in STARTS for cell in (start, "time"))]
    facts = {"classes in a draw": options.classes, "draws": f"{options.draws}, mean ± deviation"}
    return Report("Few pictures", [table(header, rows)], {"runs": measured}, facts, {})


def draw_pictures(
    files: Mapping[str, Sequence[str]], classes: int, pictures: int, draw: int
) -> dict[str, list[str]]:
    """Choose classes with more than ``pictures`` by chance, and shuffle the pictures of each.

    The number of the ``draw`` decides on the result; ``CommandError`` if there are too few classes.
    """
    large = [name for name in files if len(files[name]) > pictures]
    if len(large) < classes:
        raise CommandError(
            f"only {len(large)} classes have more than {pictures} pictures; choose fewer --classes "
            "or --pictures"
        )
    generator = np.random.default_rng(draw)
    names = [large[index] for index in generator.permutation(len(large))[:classes]]
    return {name: generator.permutation(np.array(files[name])).tolist() for name in names}


def lay_out(chosen: Mapping[str, Sequence[str]], source: Path, pictures: int, target: Path) -> None:
    """Link the first ``pictures`` of each class into ``target/train``, the rest into ``test``."""
    for name, files in chosen.items():
        for index, file in enumerate(files):
            folder = target / ("train" if index < pictures else "test") / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{index}{Path(file).suffix}").symlink_to(source / file)


def _train(folder: Path, more: Sequence[str]) -> tuple[float, float]:
    """Run ``train.py`` on ``folder/data``, and return the accuracy in [0, 1] and the seconds."""
    arguments = ["--data", str(folder / "data"), "--runs", str(folder), "--name", "run", *more]
    started = time.perf_counter()
    run_to_end([sys.executable, "train.py", *arguments], {})
    seconds = time.perf_counter() - started
    report = json.loads((folder / "run" / "classification_report.json").read_text())
    return report["accuracy"], seconds


COMMAND = Command("few_pictures", __doc__, OPTIONS, measure)

if __name__ == "__main__":
    COMMAND.main()
