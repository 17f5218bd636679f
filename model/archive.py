"""Make the model archive that TorchServe serves.

    python -m model.archive runs/NAME            makes model_store/NAME.mar
    python -m model.archive model_store/cifar10.mar
                                                 packs it again: same network, current code
    python -m model.archive runs/NAME --examples DIR
                                                 with pictures of DIR to try on the page

The archive holds the network that is served (an ONNX graph; of a large network a quantised one,
too), its weights if it is not from Keras, the model card, and the code that answers: handler/,
model/images/ and model/inference/. So an archive is always served by the code that it was tested
with.
"""

import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging_utils import ModelExportUtils

from model import PROJECT
from model.command_line import CommandError, OneLineParser, command, expect_model, visible
from model.export.examples import list_held_out, list_pictures, pack_examples
from model.inference import (
    EXAMPLES_FILE_NAME,
    GRAPH_FILE_NAME,
    QUANTISED_FILE_NAME,
    WEIGHTS_FILE_NAME,
    read_file,
)
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from model.training.config import Config

MODEL_STORE = PROJECT / "model_store"
FIRST_VERSION = "1.0"
# What TorchServe accepts as the name of a model; a file's name has 255 characters at most.
ACCEPTED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,250}")
HANDLER = PROJECT / "handler" / "image_handler.py"
CONFIGURATION = PROJECT / "handler" / "model-config.yaml"
# Folders of code that are packed whole, so that nothing that the handler needs can be missing.
PACKED_FOLDERS = ("handler", "model/images", "model/inference")


def make_archive(  # noqa: PLR0913 - one for each option of the command
    source: Path,
    model_store: Path,
    name: str | None = None,
    version: str | None = None,
    *,
    examples: bytes | None = None,
    force: bool = False,
) -> Path:
    """Pack a run, or pack an archive again.

    An archive of the same name is replaced as a whole or not at all.

    Args:
        source: The directory of a run, or a ``.mar`` file.
        model_store: The directory of the archives, which is created if it is missing.
        name: Name of the model in TorchServe; by default the archive's own, or the run's, with
            hyphens for what TorchServe does not accept.
        version: Version of the model in TorchServe; by default the archive's own, or ``1.0``.
        examples: What :func:`pack_examples` returns; by default the archive's own, if it has some.
        force: Whether to replace an archive that holds another network, too.

    Returns:
        The archive, ``<name>.mar`` for version 1.0, and ``<name>-<version>.mar`` for others; its
        card lies beside it, with the ending ``.md``.

    Raises:
        CommandError: TorchServe would not accept the name, the source can't be read, the archive
            can't be written, or the archive is that of another model.
    """
    card, content = _read(source)
    card = replace(card, name=name or card.name, version=version or card.version)
    for chosen in (card.name, card.version):
        if not ACCEPTED_NAME.fullmatch(chosen):
            raise CommandError(
                f"{chosen} can't be a name or a version for TorchServe: it needs letters, digits, "
                "'_', '-' and '.', with a letter or digit first, and 251 of them at most"
            )
    if examples:
        content[EXAMPLES_FILE_NAME] = examples
    stem = card.name if card.version == FIRST_VERSION else f"{card.name}-{card.version}"
    archive = model_store / f"{stem}.mar"
    if not force and _holds_another_model(archive, content[GRAPH_FILE_NAME]):
        raise CommandError(
            f"{archive} holds another model; choose another --name, or replace it with --force"
        )
    try:
        model_store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".archive-", dir=model_store) as folder:
            _pack(Path(folder), content, card).replace(archive)
        archive.with_name(f"{stem}.md").write_text(card.to_markdown(), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{model_store} can't be written ({error})") from error
    return archive


def _read(source: Path) -> tuple[ModelCard, dict[str, bytes]]:
    """Return the card of a run or an archive, with a name and a version, and its other files."""
    with expect_model(source):
        card = Classifier.load(source).card
        content = {GRAPH_FILE_NAME: read_file(source, GRAPH_FILE_NAME)}
        for file in (WEIGHTS_FILE_NAME, QUANTISED_FILE_NAME, EXAMPLES_FILE_NAME):
            # What was taken over from Keras has no weights for PyTorch.
            with suppress(FileNotFoundError):
                content[file] = read_file(source, file)
    # Only an archive's card names a model and its version.
    if not card.version:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", source.resolve().name).lstrip("_.-")
        card = replace(card, name=name[:251] or "model", version=FIRST_VERSION)
    return card, content


def _holds_another_model(archive: Path, graph: bytes) -> bool:
    if not archive.exists():
        return False
    try:
        return read_file(archive, GRAPH_FILE_NAME) != graph
    except (OSError, ValueError):
        return True


def _pack(staging: Path, files: dict[str, bytes], card: ModelCard) -> Path:
    """Make the archive in the folder ``staging``, and return its path."""
    content = staging / "content"
    # The handler itself and its configuration are at the top of the archive.
    left_out = shutil.ignore_patterns("__pycache__", HANDLER.name, CONFIGURATION.name)
    for folder in PACKED_FOLDERS:
        shutil.copytree(PROJECT / folder, content / folder, ignore=left_out)
    shutil.copy2(PROJECT / "model" / "__init__.py", content / "model")
    for file in (HANDLER, CONFIGURATION):
        shutil.copy2(file, content)
    for name, data in files.items():
        (content / name).write_bytes(data)
    card.save(content)
    config = ModelArchiverConfig(
        card.name,
        HANDLER.name,
        card.version,
        serialized_file=GRAPH_FILE_NAME,
        config_file=CONFIGURATION.name,
    )
    manifest = ModelExportUtils.generate_manifest_json(config)
    ModelExportUtils.archive(str(staging), card.name, str(content), manifest)
    return staging / f"{card.name}.mar"


def _find_examples(source: Path, folder: Path | Literal[True]) -> bytes:
    """Pack the pictures of a folder; without one, some that a run was tested with."""
    if folder is not True:
        return pack_examples(list_pictures(folder), folder)
    try:
        data, card = Config.load(source).data, ModelCard.load(source)
        held_out = list_held_out(source, data, card.class_names) if data else []
    except (OSError, ValueError):
        data, held_out = None, []
    if data and held_out:
        return pack_examples(held_out, data)
    raise CommandError(
        f"{source} does not say which pictures it was tested with; name a folder: --examples DIR"
    )


@command("model.archive")
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = OneLineParser(prog="python -m model.archive", description=__doc__)
    parser.add_argument("source", type=Path, help="a run's directory, or an archive")
    parser.add_argument("--name", help="name of the model (default: the run's, or the archive's)")
    parser.add_argument(
        "--model-version", metavar="VERSION", help="its version (default: 1.0, or the archive's)"
    )
    parser.add_argument(
        "--model-store",
        type=Path,
        default=MODEL_STORE,
        metavar="DIR",
        help="directory to write the archive to (default: model_store/ of this project)",
    )
    text = "replace an archive of this name that holds another model"
    parser.add_argument("--force", action="store_true", help=text)
    parser.add_argument(
        "--examples",
        type=Path,
        nargs="?",
        const=True,
        metavar="DIR",
        help="pack six pictures of DIR, which visitors of the page can try; without DIR, held-out "
        "ones of the run (default: none, or the archive's)",
    )
    options = parser.parse_args(arguments)
    store, named = options.model_store, (options.name, options.model_version)
    examples = _find_examples(options.source, options.examples) if options.examples else None
    archive = make_archive(options.source, store, *named, examples=examples, force=options.force)
    name = ModelCard.load(archive).name
    elsewhere = store.resolve() != MODEL_STORE
    setting = f" MODEL_STORE={shlex.quote(str(store))}" if elsewhere else ""
    print(visible(f"{archive} is ready. To serve it: MODEL_NAME={name}{setting} make serve"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
