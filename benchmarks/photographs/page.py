"""The page of the photographs that were taken for something else, the most confident first."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from benchmarks.common.pictures import encode
from benchmarks.photographs.results import Answer, Result
from model.command_line import format_percentage, progress, visible
from model.images.preprocessing import Fit, prepare

# Most pictures in a list, and the shorter side of a thumbnail.
SHOWN, SIDE = 60, 256


def write_page(file: Path, directory: Path, rows: list[list[str]], results: list[Result]) -> None:
    """Write the page; raises ``OSError`` where a picture can't be read or the page not written."""

    def pictures(answers: Sequence[Answer], model: Result) -> Iterator[tuple[Answer, str, str]]:
        for one in progress(answers[:SHOWN], "Thumbnails", "pictures"):
            data = (directory / one["file"]).read_bytes()
            seen = as_url(data, model.image_size, model.fit, "PNG")
            yield one, as_url(data, SIDE, "keep-aspect", "WEBP"), seen

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters.update(percentage=format_percentage, visible=visible)
    template = environment.get_template("page.html")
    page = template.render(rows=rows, results=results, pictures=pictures, shown=SHOWN)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")


def as_url(data: bytes, size: int, fit: Fit, image_format: str) -> str:
    """Return a picture as a model of this input size sees it, as a ``data:`` URL."""
    content = encode(Image.fromarray(prepare(data, size, fit).pixels), image_format)
    return f"data:image/{image_format.lower()};base64,{base64.b64encode(content).decode()}"
