"""Make the model archive that TorchServe serves.

    python -m model.archive runs/NAME            makes model_store/cifar10.mar
    python -m model.archive model_store/cifar10.mar
                                                 packs it again: same network, current code

The archive holds the network that is served (an ONNX graph), its weights if it is not from Keras,
the model card, and the code that answers: handler/, model/images/ and model/inference/. So an
archive is always served by the code that it was tested with.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from model import PROJECT
from model.command_line import OneLineParser
from model.inference import GRAPH_FILE_NAME, WEIGHTS_FILE_NAME
from model.inference.card import ModelCard
from model.inference.classifier import Classifier

MODEL_STORE = PROJECT / "model_store"
HANDLER = PROJECT / "handler" / "image_handler.py"
CONFIGURATION = PROJECT / "handler" / "model-config.yaml"
# Folders of code that are packed whole, so that nothing that the handler needs can be missing.
PACKED_FOLDERS = ("handler", "model/images", "model/inference")


class ArchiveError(ValueError):
    """The archive can't be made; the message says why."""


def make_archive(
    source: Path, model_store: Path, name: str | None = None, version: str | None = None
) -> Path:
    """Pack a run, or pack an archive again.

    Args:
        source: The directory of a run, or a ``.mar`` file.
        model_store: The directory of the archives, which is created if it is missing.
        name: Name of the model in TorchServe, and of the file; by default the archive's own, and
            ``cifar10`` for a run.
        version: Version of the model in TorchServe; by default the archive's own, and ``1.0`` for
            a run.

    Returns:
        The archive, ``model_store/<name>.mar``; its card lies beside it as ``<name>.md``.

    Raises:
        ArchiveError: The source can't be read, the archive can't be written, or
            torch-model-archiver fails.
    """
    try:
        files = zipfile.Path(source) if zipfile.is_zipfile(source) else source
        # What was taken over from Keras is a graph without weights for PyTorch.
        has_weights = (files / WEIGHTS_FILE_NAME).exists() or not (files / GRAPH_FILE_NAME).exists()
        if source.is_dir() and has_weights:
            _export(source)
        card = Classifier.load(source).card
        weights = (files / WEIGHTS_FILE_NAME).read_bytes() if has_weights else None
        graph = (files / GRAPH_FILE_NAME).read_bytes()
    except ArchiveError:
        raise
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ArchiveError(f"{source} is not a finished run or an archive ({error})") from error
    # The name in a run's card is the run's; only an archive's card names a model and its version.
    known_name, known_version = (card.name, card.version) if card.version else ("cifar10", "1.0")
    card = replace(card, name=name or known_name, version=version or known_version)
    try:
        model_store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(f"{model_store} can't be written ({error.strerror})") from error
    with tempfile.TemporaryDirectory() as staging:
        _stage(Path(staging), weights, graph, card)
        _run_archiver(Path(staging), model_store, card)
    (model_store / f"{card.name}.md").write_text(card.to_markdown())
    return model_store / f"{card.name}.mar"


def _export(run: Path) -> None:
    """Write the graph of a run, which needs PyTorch; an archive holds its graph already."""
    try:
        from model.export.graph import export_run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        message = "packing a run needs PyTorch, which is not installed; `make setup` installs it"
        raise ArchiveError(message) from error
    export_run(run)


def _stage(staging: Path, weights: bytes | None, graph: bytes, card: ModelCard) -> None:
    (staging / GRAPH_FILE_NAME).write_bytes(graph)
    extra = staging / "extra"
    extra.mkdir()
    card.save(extra)
    if weights is not None:
        (extra / WEIGHTS_FILE_NAME).write_bytes(weights)
    # The archiver puts the handler itself and its configuration at the top of the archive.
    left_out = shutil.ignore_patterns("__pycache__", HANDLER.name, CONFIGURATION.name)
    for folder in PACKED_FOLDERS:
        shutil.copytree(PROJECT / folder, extra / folder, ignore=left_out)
    shutil.copy2(PROJECT / "model" / "__init__.py", extra / "model")


def _run_archiver(staging: Path, model_store: Path, card: ModelCard) -> None:
    command = [
        sys.executable,
        "-m",
        "model_archiver.model_packaging",
        f"--model-name={card.name}",
        f"--version={card.version}",
        f"--serialized-file={staging / GRAPH_FILE_NAME}",
        f"--handler={HANDLER}",
        f"--config-file={CONFIGURATION}",
        f"--extra-files={staging / 'extra'}",
        f"--export-path={model_store}",
        "--force",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise ArchiveError(f"torch-model-archiver failed: {lines[-1]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = OneLineParser(prog="python -m model.archive", description=__doc__)
    parser.add_argument("source", type=Path, help="a run's directory, or an archive")
    parser.add_argument("--name", help="name of the model (default: cifar10, or the archive's)")
    parser.add_argument(
        "--model-version",
        metavar="VERSION",
        help="version of the model (default: 1.0, or the archive's)",
    )
    parser.add_argument(
        "--model-store",
        type=Path,
        default=MODEL_STORE,
        metavar="DIR",
        help="directory to write the archive to (default: model_store/ of this project)",
    )
    options = parser.parse_args(arguments)
    try:
        archive = make_archive(
            options.source, options.model_store, options.name, options.model_version
        )
    except ArchiveError as error:
        print(f"model.archive: error: {error}", file=sys.stderr)
        return 2
    elsewhere = options.model_store.resolve() != MODEL_STORE
    setting = f"MODEL_STORE={options.model_store} " if elsewhere else ""
    print(f"{archive} is ready. To serve it: {setting}make serve")
    return 0


if __name__ == "__main__":
    sys.exit(main())
