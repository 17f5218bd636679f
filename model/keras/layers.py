"""Checks that the layers in a ``.keras`` file are those of the reference CNN, one by one."""

import reprlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

INPUT_SHAPE = [32, 32, 3]
MIN_CLASSES = 2
CONVOLUTION = {
    "kernel_size": [3, 3],
    "strides": [1, 1],
    "padding": "valid",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "groups": 1,
    "activation": "relu",
    "use_bias": True,
}
POOLING = {
    "pool_size": [2, 2],
    "strides": [2, 2],
    "padding": "valid",
    "data_format": "channels_last",
}
# Layers of ReferenceCNN in Keras' terms, with the settings that affect its answers.
LAYERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("InputLayer", {"shape": INPUT_SHAPE}),
    ("Conv2D", {"filters": 32, **CONVOLUTION}),
    ("MaxPooling2D", POOLING),
    ("Conv2D", {"filters": 64, **CONVOLUTION}),
    ("MaxPooling2D", POOLING),
    ("Flatten", {"data_format": "channels_last"}),
    ("Dense", {"units": 128, "activation": "relu", "use_bias": True}),
    ("Dense", {"activation": "softmax", "use_bias": True}),
)
Kind = TypeVar("Kind")


class KerasFileError(ValueError):
    """The file is not a complete ``.keras`` file of this network; the message says why."""


@dataclass(frozen=True)
class Layer:
    """A layer in ``config.json``.

    Attributes:
        kind: Class name of the layer, with its module if that is not Keras' own.
        name: Name of the layer, which is unique in its model.
        settings: Arguments that the layer was built with.
        calls: Calls of the layer in a functional model, with the layers that they are applied to.
    """

    kind: str
    name: str
    settings: dict[str, Any]
    calls: Any

    @property
    def label(self) -> str:
        """Name and kind for messages, shortened because a file may hold endless ones."""
        return f"{reprlib.repr(self.name)} ({reprlib.repr(self.kind)[1:-1]})"


@contextmanager
def wrap_errors(message: str) -> Iterator[None]:
    """Turn any exception from the block into a ``KerasFileError`` with this ``message``."""
    try:
        yield
    except KerasFileError:
        raise
    except Exception as error:
        # Damaged files make zipfile, json and h5py raise errors of many kinds (BadZipFile,
        # KeyError, NotImplementedError, RecursionError, zlib.error, …).
        raise KerasFileError(message) from error


def get_field(record: object, key: str, kind: type[Kind], where: str) -> Kind:
    """Return ``record[key]``, where ``record`` is parsed JSON of any type.

    Raises:
        KerasFileError: The value is missing or not of this ``kind``; the message names ``where``.
    """
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        raise KerasFileError(f"{where} has no {key!r}, or one that Keras would not write")
    return value


def check_layers(model: object) -> tuple[int, float]:
    """Check the layers of a sequential model, or of a functional model without branches.

    Args:
        model: The parsed ``config.json``.

    Returns:
        The number of classes, at least 2, and the dropout between the dense layers, in [0, 1).

    Raises:
        KerasFileError: The model gives other answers than the reference CNN.
    """
    kind = get_field(model, "class_name", str, "config.json")
    if kind not in {"Sequential", "Functional"}:
        raise KerasFileError(f"the model is of the kind {reprlib.repr(kind)}, not Sequential")
    config = get_field(model, "config", dict, "config.json")
    records = get_field(config, "layers", list, "config.json")
    layers = [_read_layer(record, number) for number, record in enumerate(records, start=1)]
    # Dropout is inactive in answers, so it may stand anywhere.
    _compare([layer for layer in layers if layer.kind != "Dropout"])
    if kind == "Functional":
        _check_calls(layers, config.get("output_layers"))
    dense, output = (index for index, layer in enumerate(layers) if layer.kind == "Dense")
    rates = [_rate(layer) for layer in layers[dense:output] if layer.kind == "Dropout"]
    return _num_classes(layers[output]), rates[-1] if rates else 0.0


def _read_layer(record: object, number: int) -> Layer:
    where = f"layer {number} in config.json"
    kind = get_field(record, "class_name", str, where)
    module = get_field(record, "module", str, where)
    settings = get_field(record, "config", dict, where)
    shape = settings.get("batch_shape")
    return Layer(
        kind=kind if module == "keras.layers" else f"{module}.{kind}",
        name=get_field(settings, "name", str, where),
        settings={**settings, "shape": shape[1:] if isinstance(shape, list) else shape},
        calls=record.get("inbound_nodes") if isinstance(record, dict) else None,
    )


def _compare(layers: Sequence[Layer]) -> None:
    for layer, (kind, settings) in zip(layers, LAYERS, strict=False):
        if layer.kind != kind:
            raise KerasFileError(f"layer {layer.label} stands where the network has {kind}")
        for setting, wanted in settings.items():
            found = layer.settings.get(setting)
            if found != wanted:
                raise KerasFileError(
                    f"layer {layer.label} has {setting} {reprlib.repr(found)}, not {wanted!r}"
                )
    if len(layers) < len(LAYERS):
        raise KerasFileError(f"the layers end where the network has {LAYERS[len(layers)][0]}")
    if len(layers) > len(LAYERS):
        raise KerasFileError(f"layer {layers[len(LAYERS)].label} comes after the network's last")


def _check_calls(layers: Sequence[Layer], outputs: object) -> None:
    """Check that a functional model calls each layer once, on the one before it."""
    for before, layer in pairwise(layers):
        with wrap_errors(f"layer {layer.label} is not called exactly once, on {before.label}"):
            (call,) = layer.calls
            (tensor,) = call["args"]
            if tensor["config"]["keras_history"] != [before.name, 0, 0]:
                raise ValueError
        # training=True would drop activations in every answer.
        if any(get_field(call, "kwargs", dict, f"layer {layer.label}").values()):
            raise KerasFileError(f"layer {layer.label} is called with extra arguments")
    last = [layers[-1].name, 0, 0]
    if outputs not in (last, [last]):
        raise KerasFileError(f"the model's output is not its last layer, {layers[-1].label}")


def _rate(layer: Layer) -> float:
    rate = get_field(layer.settings, "rate", object, f"layer {layer.label}")
    if not isinstance(rate, int | float) or not 0 <= rate < 1:
        raise KerasFileError(f"layer {layer.label} has rate {reprlib.repr(rate)}, not in [0, 1)")
    return float(rate)


def _num_classes(layer: Layer) -> int:
    units = get_field(layer.settings, "units", int, f"layer {layer.label}")
    if units < MIN_CLASSES:
        raise KerasFileError(f"layer {layer.label} has units {units}, not at least {MIN_CLASSES}")
    return units
