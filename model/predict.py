"""Classify pictures on the command line, without a server.

    python -m model.predict docs/ship.png
    python -m model.predict holiday/ --top-k 5
    python -m model.predict --json holiday/ > answers.json
    curl -s https://example.org/cat.jpg | python -m model.predict -
    python -m model.predict --model runs/NAME docs/ship.png
    python -m model.predict --folder s3://bucket/photos --out results.parquet

The answers are those of the REST endpoint: the same network on the same pixels.
A folder stands for all files below it, except hidden ones. For each file that can't be classified,
the command prints a line to stderr, goes on with the others, and exits with 1 at the end.

With --folder, all cores work on a folder of any size, and their answers are a table: a folder of
Parquet files. If such a run was stopped, the same command goes on with it.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from model import BEST_ARCHIVE
from model.bulk import ServedNetwork
from model.command_line import (
    CommandError,
    OneLineParser,
    command,
    expect_model,
    format_percentage,
    progress,
    progress_bar,
    visible,
    whole_number,
)
from model.inference.classifier import Classifier, read_network
from model.inference.files import classify_files, find_files

# Maximum width, in characters, of the table's first column.
MAX_NAME_WIDTH = 48
# Exit code of a program that SIGPIPE ended, as shells report it.
BROKEN_PIPE_EXIT_CODE = 141

Answers = Iterable[tuple[str, dict[str, Any]]]


def predict(options: argparse.Namespace, classifier: Classifier) -> int:
    """Print the answers that ``options`` ask for; return 1 if a file could not be classified."""
    files = find_files(options.files)
    # On a terminal the answers themselves show the progress.
    shown = files if sys.stdout.isatty() else progress(files, "Classifying", unit="files")
    failed: list[str] = []

    def report_errors() -> Iterator[tuple[str, dict[str, Any]]]:
        for file, answer in classify_files(classifier, shown):
            if "error" in answer:
                failed.append(file)
                message = f"model.predict: {visible(file)}: {answer['error']['message']}"
                # This keeps the progress bar below the line, which print would not.
                tqdm.write(message, file=sys.stderr)
            yield file, answer

    if options.json:
        lines = format_json(report_errors())
    else:
        # Longer names are shown in full, and move the rest of their line.
        width = min(max(len(visible(name)) for name in ("file", *files)), MAX_NAME_WIDTH)
        label = max(len(visible(name)) for name in ("label", *classifier.card.class_names))
        row = f"{{:<{width}}}  {{:<{label}}}  {{:>10}}  {{}}"
        lines = format_table(report_errors(), row, options.top_k)
    for line in lines:
        print(line)
    sys.stdout.flush()
    return 1 if failed else 0


def predict_folder(options: argparse.Namespace, network: ServedNetwork) -> int:
    """Write the table that ``options`` ask for; return 1 if a file could not be classified."""
    try:
        return 1 if _write_table(options, network) else 0
    except ModuleNotFoundError as error:
        group = "ray" if options.ray else "bulk"
        raise CommandError(
            f"{error.name} is not installed here; `python -m pip install --group {group}` "
            "installs it"
        ) from error
    except BrokenExecutor as error:
        raise CommandError(
            "a process was killed, maybe for lack of memory; the same command goes on"
        ) from error
    except ValueError as error:
        raise CommandError(str(error)) from error


def _write_table(options: argparse.Namespace, network: ServedNetwork) -> int:
    """Return how many files could not be classified; ``ValueError`` if there is no table."""
    # Only this needs what these import.
    from model.bulk.source import Source  # noqa: PLC0415
    from model.bulk.table import Table  # noqa: PLC0415
    from model.bulk.workers import classify_here  # noqa: PLC0415

    card, url = network[1], options.folder
    about = {"folder": url, "model": card.name, "version": card.version, "created": card.created}
    source = Source(url)
    with Table(options.out, card) as table:
        table.begin(about, source.list())
        if options.ray:
            from model.bulk.cluster import classify_on_cluster  # noqa: PLC0415

            answers = classify_on_cluster(options.ray, network, url, table.chunks())
        else:
            answers = classify_here(network, url, table.chunks())
        with progress_bar(table.files, "Classifying", "files", table.done) as bar:
            for rows in answers:
                table.append(rows)
                bar.update(rows.num_rows)
        table.flush()
        failed = table.count_errors()
    print(f"{options.out}: {table.files:,} files, {failed:,} of which could not be classified")
    return failed


def format_json(answers: Answers) -> Iterator[str]:
    """Yield the lines of one JSON document: a list with a line for each file."""
    line = "["
    for number, (file, answer) in enumerate(answers):
        yield f"{line}," if number else line
        line = json.dumps({"file": file, **answer})
    yield line
    yield "]"


def format_table(answers: Answers, row: str, top_k: int) -> Iterator[str]:
    """Yield the lines of a table: file, label, confidence and the next best of ``top_k`` classes.

    Errors are left out. Every line is made by the format string ``row``.
    """
    yield row.format("file", "label", "confidence", "next best" if top_k > 1 else "").rstrip()
    for file, answer in answers:
        if "error" not in answer:
            (label, confidence), *others = [
                (visible(name), format_percentage(probability))
                for name, probability in islice(answer["probabilities"].items(), top_k)
            ]
            next_best = ", ".join(map(" ".join, others))
            yield row.format(visible(file), label, confidence, next_best).rstrip()


def create_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser("python -m model.predict", __doc__)
    text = "a picture, a folder, or - for standard input"
    parser.add_argument("files", nargs="*", metavar="FILE", help=text)
    parser.add_argument(
        "--model",
        type=Path,
        default=BEST_ARCHIVE,
        metavar="ARCHIVE_OR_RUN",
        help="model to use (default: model_store/cifar10-2.0.mar of this project)",
    )
    text = "number of classes that the table shows for each file (default: 3)"
    parser.add_argument("--top-k", type=whole_number(), default=3, metavar="N", help=text)
    parser.add_argument(
        "--json",
        action="store_true",
        help='print a JSON list instead: for each file {"file": …} with the REST answer for all '
        'classes, or {"file": …, "error": {"code": …, "type": …, "message": …}}',
    )
    bulk = parser.add_argument_group("folders of any size")
    text = "a path, or a URL that fsspec knows, such as s3://bucket/photos; takes no FILE"
    bulk.add_argument("--folder", metavar="DIR_OR_URL", help=text)
    text = "folder for the table; one that was begun before is completed"
    bulk.add_argument("--out", type=Path, metavar="TABLE.parquet", help=text)
    text = "Ray cluster that works instead of this machine, such as HOST:6379"
    bulk.add_argument("--ray", metavar="ADDRESS", help=text)
    return parser


@command("model.predict")
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = create_parser()
    options = parser.parse_args(arguments)
    if bool(options.files) == bool(options.folder):
        parser.error("name either files or a --folder")
    if bool(options.folder) != bool(options.out) or (options.ray and not options.folder):
        parser.error("--folder needs --out, and nothing else takes --out or --ray")
    with expect_model(f"--model: {options.model}"):
        network = read_network(options.model)
        # For a folder, too: a damaged graph is refused here, before any process begins.
        classifier = Classifier(network[0], network[1])
    try:
        return predict_folder(options, network) if options.folder else predict(options, classifier)
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
