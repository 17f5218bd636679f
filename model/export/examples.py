"""Pictures that an archive carries so that visitors of the page have some to try."""

import base64
import json
import unicodedata
from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import chain, zip_longest
from pathlib import Path, PurePath
from typing import NamedTuple

from PIL import Image

from model.command_line import CommandError, visible
from model.data.tested_files import read_test_files
from model.images.errors import ImageError, UnsupportedFormatError
from model.images.preprocessing import prepare

MOST_EXAMPLES = 6
# Shorter side, and greatest longer one, in pixels: the page shows them small.
SHORTER_SIDE, LONGER_SIDE = 96, 128
QUALITY = 40


class Example(NamedTuple):
    """A file, and the name under which the page shows it."""

    name: str
    file: Path


def list_pictures(folder: Path) -> list[Example]:
    """List the visible files of a folder, in the order of their names."""
    files = sorted(file for file in folder.glob("[!.]*") if file.is_file())
    return [Example(file.stem, file) for file in files]


def list_held_out(run: Path, data: Path, class_names: Sequence[str]) -> list[Example]:
    """List the files in ``data`` that test a run, the first of each class before the second."""
    by_class: dict[str, list[Example]] = {name: [] for name in class_names}
    for file in read_test_files(run):
        # What stands before the folder of the class is that of the split.
        folders = PurePath(unicodedata.normalize("NFC", file)).parts[:-1]
        name = next((folder for folder in folders if folder in by_class), None)
        if name is not None:
            known = by_class[name]
            known.append(Example(f"{name} {len(known) + 1}" if known else name, data / file))
    rounds = zip_longest(*by_class.values())
    return [example for example in chain.from_iterable(rounds) if example]


def pack_examples(examples: Iterable[Example], source: Path) -> bytes:
    """Make the first few pictures small, upright and free of metadata.

    Files in ``source`` that are no pictures are passed over.

    Returns:
        A JSON list of ``{"name", "webp"}``, the latter a file in base64.

    Raises:
        CommandError: A picture can't be read, or there is none.
    """
    packed: list[dict[str, str]] = []
    for name, file in examples:
        if len(packed) == MOST_EXAMPLES:
            break
        try:
            prepared = prepare(file.read_bytes(), SHORTER_SIDE, "keep-aspect")
        except UnsupportedFormatError:
            continue
        except (ImageError, OSError) as error:
            raise CommandError(f"{file} can't be an example ({error})") from error
        image = Image.fromarray(prepared.pixels)
        image.thumbnail((LONGER_SIDE, LONGER_SIDE))
        stream = BytesIO()
        image.save(stream, "WEBP", quality=QUALITY, method=6)
        webp = base64.b64encode(stream.getvalue()).decode()
        packed.append({"name": visible(name), "webp": webp})
    if not packed:
        raise CommandError(f"{source} has no pictures that could be examples")
    return json.dumps(packed).encode()
