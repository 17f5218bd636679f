"""Make the model archive that TorchServe serves.

    python -m model.archive runs/NAME            makes model_store/cifar10.mar
    python -m model.archive model_store/cifar10.mar
                                                 packs it again: same weights, today's code

The archive holds the weights, the net as it is served (an ONNX graph made of them), the model card,
the handler with its model-config.yaml, and the modules of ``model/`` that an answer needs, so that
it is served by the code it was tested with.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from model import onnx_net
from model.classifier import WEIGHTS_FILE_NAME, Classifier
from model.model_card import ModelCard
from model.onnx_export import export
from model.options import OneLineParser

PROJECT = Path(__file__).resolve().parent.parent
MODEL_STORE = PROJECT / "model_store"
HANDLER = PROJECT / "handler" / "image_handler.py"
HANDLER_MODULES = ("image_request.py", "measurements.py", "read_ahead.py")
CONFIGURATION = PROJECT / "handler" / "model-config.yaml"
PACKED_MODULES = (
    "__init__.py",
    "answers.py",
    "exif.py",
    "image_errors.py",
    "image_formats.py",
    "image_readers.py",
    "jpeg.py",
    "model_card.py",
    "netpbm.py",
    "onnx_net.py",
    "png.py",
    "preprocessing.py",
    "tiff.py",
)


class ArchiveError(ValueError):
    """The archive can't be made; the message says why."""


def make_archive(
    source: Path, model_store: Path, name: str | None = None, version: str | None = None
) -> Path:
    """Pack a run, or pack an archive again.

    Args:
        source: directory of a run, or a ``.mar`` file.
        model_store: directory of the archives; made when it is missing.
        name: of the model in TorchServe, and of the file; by default an archive's own, and
            ``cifar10`` for a run.
        version: of the model in TorchServe; by default an archive's own, and ``1.0`` for a run.

    Returns:
        The archive, ``model_store/<name>.mar``; its card lies beside it as ``<name>.md``.

    Raises:
        ArchiveError: the source can't be read or torch-model-archiver fails.
    """
    try:
        classifier = Classifier.load(source)
    except (OSError, KeyError, ValueError) as error:
        raise ArchiveError(f"{source} is no finished run and no archive ({error})") from error
    card = classifier.card
    # A run has a name of its own, but it is no version of a model yet.
    known_name, known_version = (card.name, card.version) if card.version else ("cifar10", "1.0")
    card = replace(card, name=name or known_name, version=version or known_version)
    try:
        model_store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(f"{model_store} can't be written ({error.strerror})") from error
    try:
        graph = export(classifier.net, card.image_size)
    except ValueError as error:
        raise ArchiveError(f"{source} can't be exported ({error})") from error
    with tempfile.TemporaryDirectory() as staging:
        _stage(Path(staging), classifier.net, graph, card)
        _run_archiver(Path(staging), model_store, card)
    (model_store / f"{card.name}.md").write_text(card.to_markdown())
    return model_store / f"{card.name}.mar"


def _stage(staging: Path, net: nn.Module, graph: bytes, card: ModelCard) -> None:
    torch.save(net.state_dict(), staging / WEIGHTS_FILE_NAME)
    extra = staging / "extra"
    for package, modules in (("model", PACKED_MODULES), ("handler", HANDLER_MODULES)):
        (extra / package).mkdir(parents=True)
        for module in modules:
            shutil.copy2(PROJECT / package / module, extra / package / module)
    card.save(extra)
    (extra / onnx_net.FILE_NAME).write_bytes(graph)


def _run_archiver(staging: Path, model_store: Path, card: ModelCard) -> None:
    command = [
        sys.executable,
        "-m",
        "model_archiver.model_packaging",
        f"--model-name={card.name}",
        f"--version={card.version}",
        f"--serialized-file={staging / WEIGHTS_FILE_NAME}",
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
    parser = OneLineParser(
        prog="python -m model.archive",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="a run's directory, or an archive")
    parser.add_argument("--name", help="of the model (default: cifar10, or the archive's)")
    parser.add_argument(
        "--model-version",
        metavar="VERSION",
        help="of the model (default: 1.0, or the archive's)",
    )
    parser.add_argument(
        "--model-store",
        type=Path,
        default=MODEL_STORE,
        metavar="DIR",
        help="where the archive goes (default: model_store/)",
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
