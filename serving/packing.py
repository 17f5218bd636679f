"""Puts a run or an archive into the model store as a version of a model."""

import json
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from model import PROJECT
from model.inference import CARD_FILE_NAME
from serving import ServeError

MANIFEST = "MAR-INF/MANIFEST.json"


def pack_run(run: Path, archive: Path, name: str, version: str, examples: Sequence[str]) -> None:
    """Pack a run as a version of a model.

    Args:
        run: The directory of the run.
        archive: The file to write.
        name: Name of the model.
        version: Its version.
        examples: Further arguments of ``python -m model.archive``, about pictures to pack.

    Raises:
        ServeError: It can't be packed.
    """
    with tempfile.TemporaryDirectory(prefix=".deploy-", dir=archive.parent) as folder:
        # What packs needs PyTorch, and what serves must not.
        command = [sys.executable, "-m", "model.archive", str(run.resolve()), "--name", name]
        command += ["--model-version", version, "--model-store", folder, *examples]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            line = done.stderr.strip().splitlines()[-1]
            raise ServeError(line.removeprefix("model.archive: error: "))
        (made,) = Path(folder).glob("*.mar")
        made.rename(archive)


def copy_archive(source: Path, archive: Path, name: str, version: str) -> None:
    """Copy an archive as a version of a model; its network and its code stay as they are.

    Args:
        source: The archive.
        archive: The file to write.
        name: Name of the model.
        version: Its version.

    Raises:
        ServeError: ``source`` is damaged, or no archive of this project.
    """
    try:
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(archive, "w") as new:
            for file in old.infolist():
                content = old.read(file)
                if file.filename == CARD_FILE_NAME:
                    content = _change(content, name=name, version=version)
                elif file.filename == MANIFEST:
                    model = {"modelName": name, "modelVersion": version}
                    content = _change(content, model=json.loads(content)["model"] | model)
                new.writestr(file, content)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError) as error:
        raise ServeError(f"{source} is damaged, or no archive ({error})") from error


def _change(document: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(document) | fields, indent=2).encode()
