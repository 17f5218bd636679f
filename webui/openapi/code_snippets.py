"""Code to paste into a terminal or a program, which asks this web UI for the same answer."""

import re
import shlex

from flask import url_for

from webui.languages import PARAMETER
from webui.pictures.uploads import FIELD_NAME

FALLBACK_FILENAME = "picture.jpg"
# Names that no file has, and the one that curl takes for standard input.
UNUSABLE_FILENAMES = {"", ".", "..", "-"}

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


def create_code_snippets(filename: str) -> dict[str, str]:
    """Return the code for one picture by its language, for the server of the current request.

    Each works as pasted, in the folder that holds the picture; Python needs its standard library
    only. ``picture.jpg`` replaces a name that no file can have, or that cannot be seen in full.
    """
    if (
        not filename.isprintable()
        or re.search(r"[/\\]", filename)
        or filename in UNUSABLE_FILENAMES
    ):
        filename = FALLBACK_FILENAME
    url = url_for("pages.predict", _external=True, **{PARAMETER: None})
    # Without quotes of its own, a name with a comma or a semicolon would end there for curl.
    quoted = filename.replace('"', '\\"')
    part = shlex.quote(f'{FIELD_NAME}=@"{quoted}"')
    return {
        "curl": f"curl -H 'Accept: application/json' -F {part} {shlex.quote(url)}",
        "Python": PYTHON.format(url=url, filename=filename),
    }
