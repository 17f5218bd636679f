"""Puts a run or an archive into the model store as a version of a model."""

import json
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Literal

from model import PROJECT
from model.inference import CARD_FILE_NAME
from model.inference.card import ModelCard
from serving import ServeError
from serving.model_store import MANIFEST


def pack(
    source: Path, archive: Path, name: str, version: str, examples: Path | Literal[True] | None
) -> None:
    """Pack a run, or copy an archive, whose network and code stay as they are.

    Args:
        source: The directory of the run, or the archive.
        archive: The file to write.
        name: Name of the model.
        version: Its version.
        examples: Pictures to pack, which packs an archive anew, with the code of today; see
            ``python -m model.archive``.

    Raises:
        ServeError: The source is damaged, or neither a finished run nor an archive.
    """
    if source.is_file() and not examples:
        _copy(source, archive, name, version)
    else:
        _pack(source, archive, name, version, examples)


def _pack(
    run: Path, archive: Path, name: str, version: str, examples: Path | Literal[True] | None
) -> None:
    pictures = ["--examples"] if examples else []
    if isinstance(examples, Path):
        pictures.append(str(examples.resolve()))
    with tempfile.TemporaryDirectory(prefix=".deploy-", dir=archive.parent) as folder:
        # What packs needs PyTorch, and what serves must not.
        command = [sys.executable, "-m", "model.archive", str(run.resolve()), "--name", name]
        command += ["--model-version", version, "--model-store", folder, *pictures]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            line = done.stderr.strip().splitlines()[-1]
            raise ServeError(line.removeprefix("model.archive: error: "))
        (made,) = Path(folder).glob("*.mar")
        made.rename(archive)


def _copy(source: Path, archive: Path, name: str, version: str) -> None:
    try:
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(archive, "w") as new:
            old.getinfo(CARD_FILE_NAME)
            for file in old.infolist():
                content = old.read(file)
                if file.filename == CARD_FILE_NAME:
                    content = _change(content, name=name, version=version)
                elif file.filename == MANIFEST:
                    model = {"modelName": name, "modelVersion": version}
                    content = _change(content, model=json.loads(content)["model"] | model)
                new.writestr(file, content)
        # All of the card goes into its page, so a wrong value shows here.
        ModelCard.load(archive).to_markdown()
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError) as error:
        raise ServeError(f"{source} is damaged, or no archive ({error})") from error


def _change(document: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(document) | fields, indent=2).encode()
