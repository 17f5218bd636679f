"""Code that asks this web UI for the same answer, to be pasted into a terminal or a program."""

import re
import shlex
from typing import NamedTuple

from flask import url_for

from webui.languages import PARAMETER
from webui.uploads import FIELD_NAME

FALLBACK_FILENAME = "picture.jpg"
# The first three are no files, and curl takes the last one for standard input.
NO_FILENAMES = {"", ".", "..", "-"}
PLAIN_FILENAME = re.compile(r"[A-Za-z0-9._-]+")

PYTHON = """\
import json
from pathlib import Path
from urllib.request import Request, urlopen

request = Request(
    {url!r},
    data=Path({filename!r}).read_bytes(),
    headers={{"Accept": "application/json", "Content-Type": "application/octet-stream"}},
)
print(json.load(urlopen(request)))"""


class CodeSnippets(NamedTuple):
    """The same call twice; each works as pasted, from the folder in which the picture lies."""

    curl: str
    python: str


def create_code_snippets(filename: str) -> CodeSnippets:
    """Return the code for a picture called `filename`, which may be anything.

    A name that cannot be a file's, or cannot be seen in full, gives way to another one.
    """
    if not filename.isprintable() or re.search(r"[/\\]", filename) or filename in NO_FILENAMES:
        filename = FALLBACK_FILENAME
    address = {PARAMETER: None}
    url = url_for("pages.predict", _external=True, **address)
    part = _quote_for_curl(filename)
    return CodeSnippets(
        curl=f"curl -H 'Accept: application/json' -F {part} {shlex.quote(url)}",
        python=PYTHON.format(url=url, filename=filename),
    )


def _quote_for_curl(filename: str) -> str:
    if PLAIN_FILENAME.fullmatch(filename):
        return f"{FIELD_NAME}=@{filename}"
    # In quotes of its own, as curl takes a comma or a semicolon for the end of the name.
    escaped = filename.replace('"', '\\"')
    return shlex.quote(f'{FIELD_NAME}=@"{escaped}"')
