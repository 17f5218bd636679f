"""What the project's own commands do with a trained model: try it on pictures, and deploy it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

import orjson
from flask_babel import lazy_gettext as _

from webui.errors import BadRequestError
from webui.pictures.classification import Answer, Outcome
from webui.pictures.uploads import Upload
from webui.teach.training import PROJECT
from webui.torchserve.errors import RejectedImageError
from webui.torchserve.predictions import parse_prediction

# Seconds that a command may take.
PATIENCE_SECONDS = 180


def try_out(run: Path, upload: Upload) -> Outcome:
    """Return what the model of a run sees in a picture; it need not be served."""
    started = perf_counter()
    finished = _run(["model.predict", "--model", run, "--json", "-"], upload.content)
    (answer,) = orjson.loads(finished.stdout)
    if error := answer.get("error"):
        refused = RejectedImageError(error["code"], error["type"], error["message"])
        return Outcome(upload, error=refused)
    prediction = parse_prediction(orjson.dumps(answer))
    return Outcome(upload, (Answer(prediction, perf_counter() - started),))


def deploy(run: Path, name: str, environment: Mapping[str, str]) -> None:
    """Archive the model of a run as the next version of a name, and let TorchServe serve it.

    Args:
        run: The folder of the run.
        name: The name of the model.
        environment: The settings that say where TorchServe and its model store are.

    Raises:
        BadRequestError: It is refused, and nothing has changed.
    """
    finished = _run(["serving.deploy", run, "--name", name, "--examples"], environment=environment)
    if finished.returncode:
        reason = finished.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise BadRequestError(
            heading=_("The model was not kept"),
            text=_("It was refused: %(reason)s"),
            reason=reason.partition(": ")[2],
        )


def _run(
    command: Sequence[str | Path],
    content: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        input=content,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
