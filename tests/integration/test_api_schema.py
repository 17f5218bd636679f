"""What the description of the API says, against the real thing, by schemathesis.

It runs in a process of its own: in this one denormal numbers are zero, which hypothesis refuses.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from model import PROJECT
from tests.helpers.server import Server

EXAMPLES = 10
PREDICT = ("POST", "/predict")
# Its own choice and 413, which is what a form with too many pictures is answered.
REFUSALS = [*map(str, (400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429)), "5xx"]
# A schema cannot say that a tensor has as many elements as its shape says. And to Flask, a model's
# ":predict" is also the address of a model with a colon in its name.
CONFIGURATION = f"""
[checks.negative_data_rejection]
expected-statuses = {json.dumps(REFUSALS)}
[[operations]]
include-path-regex = "/infer$"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-path-regex = ":predict$"
checks.allow_header_conformance.enabled = false
"""


def run_schemathesis(
    location: str, directory: Path, *options: str, **environment: str
) -> set[tuple[str, str, int]]:
    """Return the methods, the paths and the statuses of all answers."""
    report = directory / "answers.har"
    (directory / "schemathesis.toml").write_text(CONFIGURATION)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", location),
        *("--seed", "1", "--max-examples", str(EXAMPLES), "--generation-database", "none"),
        *("--continue-on-failure", "--report", "har", "--report-har-path", str(report)),
        *options,
    ]
    finished = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return {
        (
            entry["request"]["method"],
            urlsplit(entry["request"]["url"]).path,
            entry["response"]["status"],
        )
        for entry in json.loads(report.read_text())["log"]["entries"]
    }


# It leaves out the address that it has the document from.
@pytest.mark.parametrize(
    ("location", "accept"), [("/api", "application/json"), ("/api/openapi.json", "text/html")]
)
def test_pictures_are_answered_as_described(
    server: Server, tmp_path: Path, location: str, accept: str
) -> None:
    answers = run_schemathesis(
        server.web_ui + location,
        tmp_path,
        *("--header", f"Accept: {accept}"),
        SCHEMATHESIS_HOOKS="tests.integration.schemathesis_hooks",
    )
    assert {("GET", "/predict", 303), ("DELETE", "/predict", 405)} <= answers
    expected = {
        "/predict": (200, 400, 415),
        "/explain": (200, 400, 415),
        "/v1/models/cifar10:predict": (200, 400),
        "/v2/models/cifar10/infer": (200, 400),
        "/v2/models/cifar10/versions/1.0/infer": (200, 400),
    }
    for path, statuses in expected.items():
        assert {("POST", path, status) for status in statuses} <= answers


def test_bytes_that_are_not_pictures_are_refused_as_described(
    server: Server, tmp_path: Path
) -> None:
    answers = run_schemathesis(
        server.web_ui + "/api",
        tmp_path,
        *("--header", "Accept: application/json"),
        # That bytes are a picture is more than the document can ask for.
        *("--exclude-checks", "positive_data_acceptance"),
    )
    statuses = {status for method, path, status in answers if (method, path) == PREDICT}
    assert 200 not in statuses
    assert {400, 413, 415} <= statuses
