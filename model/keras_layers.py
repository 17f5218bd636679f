"""Whether the layers in a ``.keras`` file are those of the reference CNN, one by one."""

import reprlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

INPUT_SHAPE = [32, 32, 3]
LEAST_CLASSES = 2
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
# ReferenceCNN in Keras' words: kinds of layers, and the settings that an answer depends on.
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
    """The file is no whole ``.keras`` file of this net; the message says in what respect."""


@dataclass(frozen=True)
class Layer:
    """A layer in ``config.json``; ``calls`` says in a functional model what it is called on."""

    kind: str
    name: str
    settings: dict[str, Any]
    calls: Any

    @property
    def label(self) -> str:
        """Name and kind in a message, shortened where a file has them endless."""
        return f"{reprlib.repr(self.name)} ({reprlib.repr(self.kind)[1:-1]})"


@contextmanager
def damage_refused(message: str) -> Iterator[None]:
    """Raise whatever goes wrong inside as a ``KerasFileError``."""
    try:
        yield
    except KerasFileError:
        raise
    except Exception as error:
        # A damaged file leads zipfile, json and h5py to errors of many kinds (BadZipFile, KeyError,
        # NotImplementedError, RecursionError, zlib.error, …); each of them means that.
        raise KerasFileError(message) from error


def field(record: object, key: str, kind: type[Kind], where: str) -> Kind:
    """Return ``record[key]``; raises ``KerasFileError`` where there is none of that ``kind``."""
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        raise KerasFileError(f"{where} has no {key!r}, or not as Keras writes it")
    return value


def check_layers(model: object) -> tuple[int, float]:
    """Check the parsed ``config.json`` of a file: a sequential model, or a functional one in line.

    Returns:
        The number of classes, at least 2, and the dropout between the dense layers, in [0, 1).

    Raises:
        KerasFileError: the model differs from the reference CNN in what it answers.
    """
    kind = field(model, "class_name", str, "config.json")
    if kind not in {"Sequential", "Functional"}:
        raise KerasFileError(f"the model is of the kind {reprlib.repr(kind)}, not Sequential")
    config = field(model, "config", dict, "config.json")
    records = field(config, "layers", list, "config.json")
    layers = [_read_layer(record, number) for number, record in enumerate(records, start=1)]
    # Dropout changes no answer, wherever it stands.
    _compare([layer for layer in layers if layer.kind != "Dropout"])
    if kind == "Functional":
        _refuse_branches(layers, config.get("output_layers"))
    dense, output = (index for index, layer in enumerate(layers) if layer.kind == "Dense")
    rates = [_rate(layer) for layer in layers[dense:output] if layer.kind == "Dropout"]
    return _num_classes(layers[output]), rates[-1] if rates else 0.0


def _read_layer(record: object, number: int) -> Layer:
    where = f"layer {number} in config.json"
    kind = field(record, "class_name", str, where)
    module = field(record, "module", str, where)
    settings = field(record, "config", dict, where)
    shape = settings.get("batch_shape")
    return Layer(
        kind=kind if module == "keras.layers" else f"{module}.{kind}",
        name=field(settings, "name", str, where),
        settings={**settings, "shape": shape[1:] if isinstance(shape, list) else shape},
        calls=record.get("inbound_nodes") if isinstance(record, dict) else None,
    )


def _compare(layers: Sequence[Layer]) -> None:
    for layer, (kind, settings) in zip(layers, LAYERS, strict=False):
        _compare_kind(layer, kind)
        for setting, wanted in settings.items():
            found = layer.settings.get(setting)
            if found != wanted:
                raise KerasFileError(
                    f"layer {layer.label} has {setting} {reprlib.repr(found)}, not {wanted!r}"
                )
    if len(layers) < len(LAYERS):
        raise KerasFileError(f"the layers end where the net has {LAYERS[len(layers)][0]}")
    if len(layers) > len(LAYERS):
        raise KerasFileError(f"layer {layers[len(LAYERS)].label} comes after the net's last")


def _compare_kind(layer: Layer, kind: str) -> None:
    if layer.kind != kind:
        raise KerasFileError(f"layer {layer.label} stands where the net has {kind}")


def _refuse_branches(layers: Sequence[Layer], outputs: object) -> None:
    """Refuse a functional model unless each layer is called once, on the one before it."""
    for before, layer in pairwise(layers):
        with damage_refused(f"layer {layer.label} is not called just once, on {before.label}"):
            (call,) = layer.calls
            (tensor,) = call["args"]
            if tensor["config"]["keras_history"] != [before.name, 0, 0]:
                raise ValueError
        # training=True would drop activations in every answer.
        if any(field(call, "kwargs", dict, f"layer {layer.label}").values()):
            raise KerasFileError(f"layer {layer.label} is called with arguments of its own")
    last = [layers[-1].name, 0, 0]
    if outputs not in (last, [last]):
        raise KerasFileError(f"the model's output is not its last layer, {layers[-1].label}")


def _rate(layer: Layer) -> float:
    rate = field(layer.settings, "rate", object, f"layer {layer.label}")
    if not isinstance(rate, int | float) or not 0 <= rate < 1:
        raise KerasFileError(f"layer {layer.label} has rate {reprlib.repr(rate)}, not in [0, 1)")
    return float(rate)


def _num_classes(layer: Layer) -> int:
    units = field(layer.settings, "units", int, f"layer {layer.label}")
    if units < LEAST_CLASSES:
        raise KerasFileError(f"layer {layer.label} has units {units}, not at least {LEAST_CLASSES}")
    return units
