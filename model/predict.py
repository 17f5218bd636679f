"""Classify pictures on the command line, without a server.

The answers are those of the REST endpoint: the same network on the same pixels.
A folder stands for all files below it, except hidden ones. For each file that can't be classified,
the command prints a line to stderr, goes on with the others, and exits with 1 at the end.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from model import BEST_ARCHIVE
from model.command_line import (
    OneLineParser,
    format_percentage,
    progress,
    tolerate_any_encoding,
    visible,
    whole_number,
)
from model.inference.classifier import Classifier
from model.inference.files import classify_files, find_files

# Maximum width, in characters, of the table's first column.
MAX_NAME_WIDTH = 48
# Exit code of a program that SIGPIPE ended, as shells report it.
BROKEN_PIPE_EXIT_CODE = 141
EPILOG = """\
examples:
  python -m model.predict docs/ship.png
  python -m model.predict holiday/ --top-k 5
  python -m model.predict --json holiday/ > answers.json
  curl -s https://example.org/cat.jpg | python -m model.predict -
  python -m model.predict --model runs/NAME docs/ship.png
"""

Answers = Iterable[tuple[str, dict[str, Any]]]


def predict(options: argparse.Namespace, classifier: Classifier) -> int:
    """Print the answers of ``classifier`` as the command line in ``options`` asks for them.

    Returns:
        The exit code: 0, or 1 if a file could not be classified.
    """
    files = find_files(options.files)
    # On a terminal the answers themselves show the progress.
    shown = files if sys.stdout.isatty() else progress(files, "Classifying", unit="files")
    failed: list[str] = []
    answers = report_errors(classify_files(classifier, shown), failed)
    if options.json:
        lines = format_json(answers)
    else:
        name_width = min(widest(["file", *files]), MAX_NAME_WIDTH)
        label_width = widest(["label", *classifier.card.class_names])
        lines = format_table(answers, name_width, label_width, options.top_k)
    for line in lines:
        print(line)
    sys.stdout.flush()
    return 1 if failed else 0


def report_errors(answers: Answers, failed: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all ``answers``; print the errors to stderr and append their files to ``failed``."""
    for file, answer in answers:
        if "error" in answer:
            failed.append(file)
            # This keeps the progress bar below the line, which print would not.
            tqdm.write(
                f"model.predict: {visible(file)}: {answer['error']['message']}", file=sys.stderr
            )
        yield file, answer


def widest(names: Iterable[str]) -> int:
    """Return the width in characters of the longest name, as :func:`visible` shows it."""
    return max(len(visible(name)) for name in names)


def format_json(answers: Answers) -> Iterator[str]:
    """Yield the lines of one JSON document: a list with a line for each file."""
    line = "["
    for number, (file, answer) in enumerate(answers):
        yield f"{line}," if number else line
        line = json.dumps({"file": file, **answer})
    yield line
    yield "]"


def format_table(answers: Answers, name_width: int, label_width: int, top_k: int) -> Iterator[str]:
    """Yield the lines of a table: file, label, confidence and the next best classes.

    Args:
        answers: Files with their answers; errors are left out.
        name_width: Width of the first column in characters. Longer names are shown in full, and
            move the rest of their line.
        label_width: Width of the second column in characters.
        top_k: Number of classes in a line, at least 1.
    """

    def row(file: str, label: str, confidence: str, next_best: str) -> str:
        line = f"{file:<{name_width}}  {label:<{label_width}}  {confidence:>10}  {next_best}"
        return line.rstrip()

    yield row("file", "label", "confidence", "next best" if top_k > 1 else "")
    for file, answer in answers:
        if "error" not in answer:
            (label, confidence), *others = [
                (visible(name), format_percentage(probability))
                for name, probability in islice(answer["probabilities"].items(), top_k)
            ]
            next_best = ", ".join(f"{name} {probability}" for name, probability in others)
            yield row(visible(file), label, confidence, next_best)


def create_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser(prog="python -m model.predict", description=__doc__, epilog=EPILOG)
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a picture, a folder, or - for standard input"
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=BEST_ARCHIVE,
        metavar="ARCHIVE_OR_RUN",
        help="model to use (default: model_store/cifar10-2.0.mar of this project)",
    )
    parser.add_argument(
        "--top-k",
        type=whole_number(),
        default=3,
        metavar="N",
        help="number of classes that the table shows for each file (default: 3)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help='print a JSON list instead: for each file {"file": …} with the REST answer for all '
        'classes, or {"file": …, "error": {"code": …, "type": …, "message": …}}',
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    tolerate_any_encoding()
    options = create_parser().parse_args(arguments)
    try:
        classifier = Classifier.load(options.model)
    except (OSError, ValueError) as error:
        message = visible(f"{options.model} is not a finished run or an archive ({error})")
        print(f"model.predict: error: --model: {message}", file=sys.stderr)
        return 2
    try:
        return predict(options, classifier)
    except KeyboardInterrupt:
        print("model.predict: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        # At exit Python would try to write the rest, and print the same error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            # The reader, such as `head`, has read enough.
            return BROKEN_PIPE_EXIT_CODE
        print(f"model.predict: the answers can't be written: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
