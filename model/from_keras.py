"""Take over an image classifier from Keras: make a run of a .keras file or a whole .h5 file.

    python -m model.from_keras cnn_cifar10_model.keras    makes runs/keras-cnn_cifar10_model
    python -m model.from_keras weather.keras --class-names rain,snow,sun --name weather
    python -m model.from_keras mobilenet.h5 --class-names labels.txt --input-range -1 1
    python -m model.archive runs/NAME                     then packs it, to be served

Keras reads the file on PyTorch, without TensorFlow, and the run gives the same answers. The model
must take one square RGB picture of a fixed size and have one output for each class: softmax, or
logits, to which softmax is added. Code in the file, such as a Lambda layer's, is never run.
"""

import os
import shlex
import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from model.command_line import CommandError, OneLineParser, command, is_printable, number, visible
from model.inference import GRAPH_FILE_NAME
from model.inference.card import ModelCard

# Keras reads these when it is imported. By itself it takes a GPU, but the graph is made on the CPU.
os.environ["KERAS_BACKEND"] = "torch"
os.environ["KERAS_TORCH_DEVICE"] = "cpu"
try:
    import keras
    import numpy as np
    import torch
    from torch import Tensor, nn

    from model.export.graph import random_pixels, to_onnx
except ModuleNotFoundError as missing:
    sys.exit(
        f"model.from_keras: error: {missing.name} is not installed; "
        "`python -m pip install --group keras` installs it"
    )

CIFAR10_CLASS_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
# A smaller scale than this one is meant for pixels of up to 255, not of up to 1.
PIXEL_SCALE = 0.1
# Largest difference from 1 of a sum of probabilities, which float16 makes.
SUM_TOLERANCE = 1e-3
# What to do about a file that Keras refuses, by words in its message.
REMEDIES = {
    "File format not supported": "it is read by the end of its name, .keras or .h5; rename it",
    "No model config": "it holds weights alone; save the whole model with model.save('net.keras')",
    "unsafe_deserialization": "it holds code, such as a Lambda layer's, which is not run, because "
    "it could do anything; use Keras' own layers instead",
    "Could not locate": "it needs classes of another program; use Keras' own layers instead",
    "Unknown layer": "it needs classes of another program; use Keras' own layers instead",
}
KerasModel = Any  # Keras has no types.


class _PixelsToOutputs(nn.Module):
    def __init__(self, model: KerasModel, black: float, white: float) -> None:
        super().__init__()
        self.model, self.black, self.scale = model, black, (white - black) / 255

    def forward(self, pixels: Tensor) -> Tensor:
        outputs: Tensor = self.model(pixels.float() * self.scale + self.black, training=False)
        return outputs.float()


def convert(
    file: Path, run: Path, class_names: str | None, input_range: Sequence[float] | None
) -> ModelCard:
    """Make a run from a Keras file, with the class names and the range of the command line.

    Returns:
        The run's card.

    Raises:
        CommandError: The file can't be taken over, or the name or the class names don't fit.
        OSError: The run can't be written.
    """
    if not is_printable(run.name) or run.exists():
        raise CommandError("the run exists already or has an odd name; choose another --name")
    try:
        with warnings.catch_warnings(action="ignore"):
            model = _load(file)
            image_size, num_classes = _find_sizes(model)
            names = _choose_class_names(class_names, num_classes, image_size)
            black, white = input_range or _find_input_range(model)
            network: nn.Module = _PixelsToOutputs(model, black, white)
            gives_logits = _gives_logits(model, network, image_size)
            if gives_logits:
                network = nn.Sequential(network, nn.Softmax(dim=1))
            graph = to_onnx(network, image_size)
    except CommandError:
        raise
    except Exception as error:
        # Damaged files and layers that can't be exported lead to errors of many kinds.
        raise CommandError(_explain(str(error))) from error
    card = ModelCard(
        name=run.name,
        version="",
        architecture=f"Keras {visible(model.name)}",
        dropout=0,
        image_size=image_size,
        class_names=names,
        data=f"not recorded in the Keras file {visible(file.name)}",
        training_images=0,
        validation_images=0,
        recipe=f"keras, {'logits' if gives_logits else 'softmax'} of pixels from {black:g} to "
        f"{white:g}",
        epochs=0,
        validation_accuracy=None,
        test_accuracy=None,
        test_images=0,
        created="on an unknown date",
    )
    run.mkdir(parents=True)
    (run / GRAPH_FILE_NAME).write_bytes(graph)
    card.save(run)
    return card


def _load(file: Path) -> KerasModel:
    if not file.is_file():
        found = "it is a folder" if file.is_dir() else "there is no such file"
        raise CommandError(f"{found}; give a file that model.save('net.keras') wrote")
    return keras.saving.load_model(file, compile=False, safe_mode=True)


def _explain(message: str) -> str:
    """Return what to do about a file that Keras refuses with ``message``."""
    cause = message.rpartition("Exception encountered: ")[2]
    for words, remedy in REMEDIES.items():
        if words in cause:
            return remedy
    return (
        f"Keras {keras.__version__} can't read or export it; save the whole model again, of its "
        f"own layers, with model.save('net.keras') ({textwrap.shorten(cause, 160)})"
    )


def _find_sizes(model: KerasModel) -> tuple[int, int]:
    """Return the side of the input in pixels, and the number of classes."""
    inputs, outputs = (
        [tuple(tensor.shape[1:]) for tensor in getattr(model, name, None) or ()]
        for name in ("inputs", "outputs")
    )
    match inputs, outputs:
        case [(int(height), width, 3)], [(int(classes),)] if height == width and classes > 1:
            return height, classes
    raise CommandError(
        f"its inputs are {inputs} and its outputs {outputs}; make it a model of one input "
        "(S, S, 3), a square RGB picture of a fixed size, and one output (C,) for C ≥ 2 classes"
    )


def _steps(model: KerasModel) -> Iterator[Any]:
    """Yield the layers and operations of a model, and of models in it, as they are computed."""
    for step in getattr(model, "operations", model.layers):
        yield from _steps(step) if hasattr(step, "layers") else (step,)


def _find_input_range(model: KerasModel) -> tuple[int, int]:
    """Return what a model takes for black and white, as its steps before any weights tell."""
    for step in _steps(model):
        if isinstance(step, keras.layers.Rescaling):
            return 0, 255 if np.max(step.scale) < PIXEL_SCALE else 1
        layer = isinstance(step, keras.layers.Layer)
        if not layer or isinstance(step, keras.layers.Normalization):
            raise CommandError(
                "it prepares its input itself; say with --input-range what it takes for black and "
                "white: 0 255, 0 1 or -1 1"
            )
        if step.weights:
            break
    return 0, 1


def _gives_logits(model: KerasModel, network: nn.Module, image_size: int) -> bool:
    """Tell whether a model, and the network around it, give logits or probabilities."""
    with torch.inference_mode():
        outputs = network(random_pixels(image_size))
    *_, last = _steps(model)
    activation = getattr(getattr(last, "activation", None), "__name__", "linear")
    sum_to_1 = outputs.min() >= 0 and (outputs.sum(dim=1) - 1).abs().max() < SUM_TOLERANCE
    if activation == "softmax" or sum_to_1:
        return False
    if activation != "linear":
        raise CommandError(f"it ends with {activation}; end it with softmax, or with logits")
    return True


def _choose_class_names(text: str | None, count: int, image_size: int) -> tuple[str, ...]:
    if text is None and (count, image_size) == (len(CIFAR10_CLASS_NAMES), 32):
        return CIFAR10_CLASS_NAMES
    if text is None:
        raise CommandError(f"name its {count} classes with --class-names, in output order")
    try:
        # Two names have a comma between them, so other texts are files.
        names = text.split(",") if "," in text else Path(text).read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise CommandError(
            f"--class-names: {text} is not a readable text file; put commas between names"
        ) from error
    stripped = tuple(name.strip() for name in names if name.strip())
    if len(stripped) != count:
        raise CommandError(f"--class-names has {len(stripped)} names for {count} classes")
    if len(set(stripped)) != count or not all(map(is_printable, stripped)):
        raise CommandError("--class-names must give each class a printable name of its own")
    return stripped


@command("model.from_keras")
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = OneLineParser("python -m model.from_keras", __doc__)
    parser.add_argument("file", type=Path, help="a file that Keras' model.save wrote")
    parser.add_argument(
        "--class-names",
        metavar="A,B,C",
        help="names of the classes, in output order, or a text file with one a line (default for "
        "ten outputs of 32×32 pixels: CIFAR-10's)",
    )
    parser.add_argument(
        "--input-range",
        type=number(least=-255, below=256),
        nargs=2,
        metavar=("BLACK", "WHITE"),
        help="what the model takes for black and white: 0 1, 0 255 or -1 1 (default: 0 255 if it "
        "begins with a Rescaling layer for them, otherwise 0 1)",
    )
    text = "folder of the runs (default: runs/)"
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help=text)
    parser.add_argument("--name", help="name of the run (default: keras-<stem of the file>)")
    options = parser.parse_args(arguments)
    run = options.runs / (options.name or f"keras-{options.file.stem}")
    try:
        card = convert(options.file, run, options.class_names, options.input_range)
    except (CommandError, OSError) as error:
        raise CommandError(f"{options.file}: {error}") from error
    print(f"{len(card.class_names)} classes, {card.image_size}×{card.image_size}, {card.recipe}")
    name = visible(shlex.quote(str(run)))
    print(f"{visible(run)} is ready. To serve it: python -m model.archive {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
