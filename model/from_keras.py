"""Convert the original program's trained network, a .keras file of Keras 3, to a run.

The layers must be those of the reference CNN: input 32×32×3, RGB in [0, 1]; Conv2D 32 3×3,
MaxPooling2D, Conv2D 64 3×3, MaxPooling2D, Flatten, Dense 128, Dense with softmax. Dropout may stand
anywhere. Keras itself is not needed, and the run gives the same answers as Keras.
"""

import hashlib
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

try:
    import torch
except ModuleNotFoundError:
    sys.exit("model.from_keras: error: PyTorch is not installed; `make setup` installs it")

from model.command_line import OneLineParser, is_printable, tolerate_any_encoding, visible
from model.inference import WEIGHTS_FILE_NAME
from model.inference.card import ModelCard
from model.keras.file import MAX_BYTES, KerasModel, read_keras
from model.keras.layers import KerasFileError
from model.networks.reference_cnn import ReferenceCNN

CIFAR10_CLASS_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
EPILOG = """\
examples:
  python -m model.from_keras cnn_cifar10_model.keras
                              makes runs/keras-cnn_cifar10_model
  python -m model.from_keras weather.keras --class-names rain snow sun --name weather
then, to serve it:
  python -m model.archive runs/NAME
"""


class ConversionError(ValueError):
    """The run can't be made as requested; the message says what to do."""


def convert(
    file: Path, runs: Path, name: str | None = None, class_names: Sequence[str] | None = None
) -> Path:
    """Make a run from a ``.keras`` file.

    Args:
        file: A file that Keras' ``model.save`` wrote.
        runs: The folder of the runs, which is created if it is missing.
        name: Name of the run, a new folder in ``runs``; by default ``keras-<stem of the file>``.
        class_names: Names of the classes, by output; by default CIFAR-10's if there are ten
            outputs.

    Returns:
        The run's directory, with ``model_card.json``, ``weights.pt`` and ``config.json``.

    Raises:
        KerasFileError: The file is damaged, or of another network.
        ConversionError: The file can't be read, the run can't be written, or the names don't fit.
    """
    run = runs / (name if name is not None else f"keras-{file.stem}")
    if run.parent != runs or not run.name or not is_printable(run.name):
        raise ConversionError("--name must be the plain name of a new folder in --runs")
    data = _read(file)
    model = read_keras(data)
    card = ModelCard(
        name=run.name,
        version="",
        architecture=ReferenceCNN.__name__,
        dropout=model.dropout,
        image_size=ReferenceCNN.image_size,
        class_names=_choose_class_names(class_names, model.num_classes),
        data=f"not recorded in the Keras file {visible(file.name)}",
        training_images=0,
        validation_images=0,
        recipe="keras",
        epochs=0,
        validation_accuracy=None,
        test_accuracy=None,
        test_images=0,
        created=_date(model.saved),
    )
    origin = {
        "keras_file": file.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "keras": model.keras_version,
        "saved": model.saved,
    }
    _write_run(run, model, card, origin)
    return run


def _read(file: Path) -> bytes:
    try:
        if not file.is_file():
            raise ConversionError("the file does not exist")
        if file.stat().st_size > MAX_BYTES:
            raise ConversionError(f"the file is larger than {MAX_BYTES:,} bytes")
        return file.read_bytes()
    except OSError as error:
        raise ConversionError(f"the file can't be read ({error.strerror})") from error


def _choose_class_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        if count != len(CIFAR10_CLASS_NAMES):
            raise ConversionError(f"name its {count} classes with --class-names, in output order")
        return CIFAR10_CLASS_NAMES
    if len(names) != count:
        raise ConversionError(f"--class-names has {len(names)} names for {count} classes")
    if len(set(names)) != count:
        raise ConversionError("--class-names has a name twice; give each class its own")
    if not all(name.strip() and is_printable(name) for name in names):
        raise ConversionError("--class-names has a name that can't be shown; use printable letters")
    return tuple(names)


def _date(saved: str) -> str:
    try:
        return date.fromisoformat(saved.partition("@")[0]).isoformat()
    except ValueError:
        return "on an unknown date"


def _write_run(run: Path, model: KerasModel, card: ModelCard, origin: dict[str, str]) -> None:
    """Write the run to a temporary folder and move it, so that no incomplete run ever exists."""
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        if run.exists() or run.is_symlink():
            raise ConversionError(f"{run} exists already; choose another --name")
        with tempfile.TemporaryDirectory(prefix=".keras-", dir=run.parent) as staging:
            # The temporary folder itself can't be moved: only its owner may enter it.
            complete = Path(staging) / "run"
            complete.mkdir()
            (complete / "config.json").write_text(json.dumps(origin, indent=2) + "\n")
            torch.save(model.weights, complete / WEIGHTS_FILE_NAME)
            card.save(complete)
            complete.rename(run)
    except (OSError, RuntimeError) as error:
        raise ConversionError(f"the run can't be written: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    tolerate_any_encoding()
    parser = OneLineParser(prog="python -m model.from_keras", description=__doc__, epilog=EPILOG)
    parser.add_argument("file", type=Path, help="a file that Keras' model.save wrote")
    parser.add_argument(
        "--class-names",
        nargs="+",
        metavar="NAME",
        help="names of the classes, in output order (default for ten outputs: CIFAR-10's)",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder of the runs (default: runs/)",
    )
    parser.add_argument(
        "--name", help="name of the run, a new folder in --runs (default: keras-<stem of the file>)"
    )
    options = parser.parse_args(arguments)
    try:
        run = convert(options.file, options.runs, options.name, options.class_names)
    except (ConversionError, KerasFileError) as error:
        message = visible(f"{options.file}: {error}")
        print(f"model.from_keras: error: {message}", file=sys.stderr)
        return 2
    command = visible(shlex.quote(str(run)))
    print(f"{visible(run)} is ready. To serve it: python -m model.archive {command}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
