"""Show how often models are right on your own photographs, and which ones they get wrong.

DIR holds pictures in folders named after the models' classes, such as DIR/cat/*.jpg, at any depth;
not every class needs one. One more folder may hold pictures of other things: --strangers names it.
Each picture goes the way that it goes in the server. The report says how often each model is right,
and how well its confidence tells strangers apart; FILE.html shows the most confident mistakes. It
contains pictures, so share it only if you may share those.

  python -m benchmarks.photographs DIR                          the shipped models
  python -m benchmarks.photographs DIR --strangers others       DIR/others/ shows other things
  python -m benchmarks.photographs DIR --models A.mar runs/B    two models side by side
"""

import argparse
import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from benchmarks.common.command import Command, option
from benchmarks.common.pictures import encode
from benchmarks.common.report import Report, table
from benchmarks.common.server import ARCHIVES
from benchmarks.photographs.results import Answer, Result, ask, figures
from model.command_line import progress, visible
from model.evaluate import load_classifier
from model.evaluation.page import render_page
from model.images.preprocessing import Fit, prepare

# Most pictures in a list, and the shorter side of a thumbnail.
SHOWN, SIDE = 60, 256
TEMPLATE = Path(__file__).with_name("page.html")
OPTIONS = (
    option("directory", "the folder of the pictures", type=Path, metavar="DIR"),
    option("--strangers", "folder of pictures of other things (default: none)", metavar="NAME"),
    option(
        "--models",
        "models to show side by side (default: the shipped ones)",
        list(ARCHIVES.values()),
        nargs="+",
        type=Path,
        metavar="ARCHIVE_OR_RUN",
    ),
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
