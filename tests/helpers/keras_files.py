"""Makes ``.keras`` files as Keras writes them, sound ones and parts to make broken ones of."""

import io
import json
import zipfile
from typing import Any

import h5py
import numpy as np

WEIGHTS = "model.weights.h5"
Arrays = dict[str, np.ndarray]


def layer(kind: str, name: str, **settings: object) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": kind, "config": {"name": name, **settings}}


def convolution(name: str, filters: int) -> dict[str, Any]:
    return layer(
        "Conv2D",
        name,
        filters=filters,
        kernel_size=[3, 3],
        strides=[1, 1],
        padding="valid",
        data_format="channels_last",
        dilation_rate=[1, 1],
        groups=1,
        activation="relu",
        use_bias=True,
    )


def pooling(name: str) -> dict[str, Any]:
    settings = {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}
    return layer("MaxPooling2D", name, data_format="channels_last", **settings)


def dropout(name: str, rate: float) -> dict[str, Any]:
    return layer("Dropout", name, rate=rate)


def dense(name: str, units: int, activation: str) -> dict[str, Any]:
    return layer("Dense", name, units=units, activation=activation, use_bias=True)


def sequential(classes: int = 3) -> dict[str, Any]:
    """As Keras writes ``config.json``, without what changes no answer."""
    layers = [
        layer("InputLayer", "input_layer", batch_shape=[None, 32, 32, 3]),
        convolution("conv2d", 32),
        pooling("max_pooling2d"),
        dropout("dropout", 0.25),
        convolution("conv2d_1", 64),
        pooling("max_pooling2d_1"),
        layer("Flatten", "flatten", data_format="channels_last"),
        dense("dense", 128, "relu"),
        dropout("dropout_1", 0.4),
        dense("answer", classes, "softmax"),
    ]
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}


def functional() -> dict[str, Any]:
    model = sequential()
    model["class_name"] = "Functional"
    config = model["config"]
    before = None
    for record in config["layers"]:
        name = record["config"]["name"]
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [before, 0, 0]}}
        record["inbound_nodes"] = [{"args": [tensor], "kwargs": {}}] if before else []
        before = name
    config["output_layers"] = [before, 0, 0]
    return model


def random_arrays(classes: int = 3) -> Arrays:
    generator = np.random.default_rng(0)
    shapes = {
        "conv2d": (3, 3, 3, 32),
        "conv2d_1": (3, 3, 32, 64),
        "dense": (2304, 128),
        "dense_1": (128, classes),
    }
    arrays = {}
    for name, shape in shapes.items():
        kernel = generator.normal(0, np.prod(shape[:-1]) ** -0.5, shape)
        arrays[f"layers/{name}/vars/0"] = kernel.astype(np.float32)
        arrays[f"layers/{name}/vars/1"] = generator.normal(0, 0.3, shape[-1]).astype(np.float32)
    return arrays


def keras_answers(arrays: Arrays, images: np.ndarray) -> np.ndarray:
    """What Keras computes, written down once more: channels last, float64."""

    def parameters(name: str) -> tuple[np.ndarray, np.ndarray]:
        return arrays[f"layers/{name}/vars/0"], arrays[f"layers/{name}/vars/1"]

    hidden = images.astype(np.float64)
    for name in ("conv2d", "conv2d_1"):
        kernel, bias = parameters(name)
        windows = np.lib.stride_tricks.sliding_window_view(hidden, (3, 3), axis=(1, 2))
        hidden = np.maximum(np.einsum("nhwcij,ijco->nhwo", windows, kernel) + bias, 0)
        side = hidden.shape[1] // 2
        hidden = hidden[:, : 2 * side, : 2 * side]
        hidden = hidden.reshape(len(images), side, 2, side, 2, -1).max(axis=(2, 4))
    kernel, bias = parameters("dense")
    hidden = np.maximum(hidden.reshape(len(images), -1) @ kernel + bias, 0)
    kernel, bias = parameters("dense_1")
    exponentials = np.exp(hidden @ kernel + bias)
    answers: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return answers


def write_hdf5(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, values in arrays.items():
            file[path] = values
    return buffer.getvalue()


def keras_members(model: object = None, arrays: Arrays | None = None) -> dict[str, bytes]:
    metadata = {"keras_version": "3.15.1", "date_saved": "2026-11-22@07:46:44"}
    return {
        "metadata.json": json.dumps(metadata).encode(),
        "config.json": json.dumps(sequential() if model is None else model).encode(),
        WEIGHTS: write_hdf5(random_arrays() if arrays is None else arrays),
    }


def pack(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()
