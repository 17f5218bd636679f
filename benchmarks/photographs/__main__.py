"""Show how often models are right on your own photographs, and which ones they get wrong.

DIR holds pictures in folders named after the models' classes, such as DIR/cat/*.jpg, at any depth;
not every class needs one. One more folder may hold pictures of other things: --strangers names it.
Each picture goes the way that it goes in the server. The report says how often each model is right,
and how well its confidence tells strangers apart; FILE.html shows the most confident mistakes. It
contains pictures, so share it only if you may share those.
"""

import argparse
from pathlib import Path

from benchmarks.common.command import Command
from benchmarks.common.report import Report, table
from benchmarks.common.server import ARCHIVES
from benchmarks.photographs.page import write_page
from benchmarks.photographs.results import ask, figures
from model.command_line import visible
from model.evaluate import load_classifier

SHIPPED = list(ARCHIVES.values())
EXAMPLES = """\
  python -m benchmarks.photographs DIR                          the shipped models
  python -m benchmarks.photographs DIR --strangers others       DIR/others/ shows other things
  python -m benchmarks.photographs DIR --models A.mar runs/B    two models side by side
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="the folder of the pictures")
    parser.add_argument(
        "--strangers", metavar="NAME", help="folder of pictures of other things (default: none)"
    )
    text = "models to show side by side (default: the shipped ones)"
    parser.add_argument(
        "--models", nargs="+", type=Path, default=SHIPPED, metavar="ARCHIVE_OR_RUN", help=text
    )


def measure(options: argparse.Namespace) -> Report:
    """Ask every model about every picture and write the page; ``ValueError`` for wrong input."""
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


COMMAND = Command("photographs", __doc__, EXAMPLES, add_options, measure, needs_quiet=False)

if __name__ == "__main__":
    COMMAND.main()
