"""Code to paste into a terminal or a program, which asks this web UI for the same answer."""

import re
import shlex
from typing import NamedTuple

from flask import url_for

from webui.languages import PARAMETER
from webui.uploads import FIELD_NAME

FALLBACK_FILENAME = "picture.jpg"
# Names that no file has, and the one that curl takes for standard input.
UNUSABLE_FILENAMES = {"", ".", "..", "-"}
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
    """The same call twice; each works as pasted, in the folder that holds the picture.

    Attributes:
        curl: A command for a shell.
        python: A program that needs the standard library only.
    """

    curl: str
    python: str


def create_code_snippets(filename: str) -> CodeSnippets:
    """Return the code for one picture, which addresses the server of the current request.

    A name that no file can have, or that cannot be seen in full, is replaced by ``picture.jpg``.
    """
    if (
        not filename.isprintable()
        or re.search(r"[/\\]", filename)
        or filename in UNUSABLE_FILENAMES
    ):
        filename = FALLBACK_FILENAME
    url = url_for("pages.predict", _external=True, **{PARAMETER: None})
    part = _quote_for_curl(filename)
    return CodeSnippets(
        curl=f"curl -H 'Accept: application/json' -F {part} {shlex.quote(url)}",
        python=PYTHON.format(url=url, filename=filename),
    )


def _quote_for_curl(filename: str) -> str:
    if PLAIN_FILENAME.fullmatch(filename):
        return f"{FIELD_NAME}=@{filename}"
    # The name needs quotes of its own: a comma or a semicolon would end it for curl.
    escaped = filename.replace('"', '\\"')
    return shlex.quote(f'{FIELD_NAME}=@"{escaped}"')
