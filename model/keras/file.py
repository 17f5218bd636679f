"""Reads the original program's network from a ``.keras`` file, without Keras.

The file is a zip archive of ``metadata.json``, ``config.json`` (the layers) and
``model.weights.h5`` (HDF5). It may come from anybody, so nothing in it is run, and no link in it is
followed to another file.
"""

import io
import json
import zipfile
from dataclasses import dataclass

import h5py
import numpy as np
import torch
from torch import Tensor

from model.keras.layers import KerasFileError, check_layers, get_field, wrap_errors

# Maximum size of the file, which has 1.3 MB for this network, and 3.8 MB with its training state.
MAX_BYTES = 64 * 1024 * 1024
# Maximum size of each JSON file in it.
MAX_JSON_BYTES = 1024 * 1024
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class KerasModel:
    """The content of a ``.keras`` file.

    Attributes:
        weights: A state dict of ``ReferenceCNN``, float32 on the CPU.
        num_classes: Number of outputs, at least 2.
        dropout: Dropout rate in [0, 1) between the dense layers; 0 if there is no such layer.
        keras_version: Version of the Keras that wrote the file.
        saved: Time of writing, such as ``2026-11-22@07:46:44``.
    """

    weights: dict[str, Tensor]
    num_classes: int
    dropout: float
    keras_version: str
    saved: str


def read_keras(data: bytes) -> KerasModel:
    """Read the bytes of a ``.keras`` file.

    Raises:
        KerasFileError: The file is damaged, not a ``.keras`` file, or of another network.
    """
    if data.startswith(HDF5_SIGNATURE):
        raise KerasFileError(
            "this is a legacy HDF5 file; convert it with Keras 3: "
            "keras.models.load_model('old.h5').save('new.keras')"
        )
    with wrap_errors("this is not a .keras file, or it is damaged or incomplete"):
        archive = zipfile.ZipFile(io.BytesIO(data))
    metadata = _read_json(archive, "metadata.json")
    num_classes, dropout = check_layers(_read_json(archive, "config.json"))
    return KerasModel(
        weights=_read_weights(_read_member(archive, "model.weights.h5", MAX_BYTES), num_classes),
        num_classes=num_classes,
        dropout=dropout,
        keras_version=get_field(metadata, "keras_version", str, "metadata.json"),
        saved=get_field(metadata, "date_saved", str, "metadata.json"),
    )


def _read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    if name not in archive.namelist():
        raise KerasFileError(f"there is no {name} in it")
    member = archive.getinfo(name)
    if member.file_size > limit:
        raise KerasFileError(
            f"{name} has {member.file_size:,} bytes, but this network needs at most {limit:,}"
        )
    # Python unpacks other methods without a limit.
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise KerasFileError(f"{name} is compressed with a method that Keras never uses")
    with wrap_errors(f"{name} is damaged"), archive.open(member) as stream:
        # The size in the archive's directory may be false, so reading is limited as well.
        return stream.read(limit)


def _read_json(archive: zipfile.ZipFile, name: str) -> object:
    text = _read_member(archive, name, MAX_JSON_BYTES)
    with wrap_errors(f"{name} is not JSON"):
        return json.loads(text)


def _read_weights(data: bytes, num_classes: int) -> dict[str, Tensor]:
    """Return the state dict of ``ReferenceCNN``; Keras names layers by kind and order."""
    with (
        wrap_errors("model.weights.h5 is damaged or incomplete"),
        h5py.File(io.BytesIO(data), "r") as file,
    ):
        return {
            **_read_layer(file, "conv2d", "features.0", (3, 3, 3, 32)),
            **_read_layer(file, "conv2d_1", "features.3", (3, 3, 32, 64)),
            **_read_layer(file, "dense", "dense", (6 * 6 * 64, 128)),
            **_read_layer(file, "dense_1", "output", (128, num_classes)),
        }


def _read_layer(
    file: h5py.File, keras_name: str, name: str, shape: tuple[int, ...]
) -> dict[str, Tensor]:
    kernel = _read_dataset(file, f"layers/{keras_name}/vars/0", shape)
    bias = _read_dataset(file, f"layers/{keras_name}/vars/1", shape[-1:])
    if keras_name == "dense":
        # The inputs are a flattened picture: rows, columns, channels; PyTorch has channels first.
        kernel = kernel.reshape(6, 6, 64, 128)
    # Keras has (rows, columns,) inputs, outputs; PyTorch has outputs, inputs(, rows, columns).
    weight = np.moveaxis(kernel, (-1, -2), (0, 1))
    if keras_name == "dense":
        weight = weight.reshape(128, -1)
    return {
        f"{name}.weight": torch.from_numpy(np.ascontiguousarray(weight)),
        f"{name}.bias": torch.from_numpy(bias),
    }


def _read_dataset(file: h5py.File, path: str, shape: tuple[int, ...]) -> np.ndarray:
    node: object = file
    for name in path.split("/"):
        # Links of other kinds may lead to any file on this machine.
        if not isinstance(node, h5py.Group) or not isinstance(
            node.get(name, getlink=True), h5py.HardLink
        ):
            raise KerasFileError(f"there is no {path} in model.weights.h5")
        node = node[name]
    if not isinstance(node, h5py.Dataset) or node.shape != shape:
        found = getattr(node, "shape", None)
        raise KerasFileError(f"{path} in model.weights.h5 has the shape {found}, not {shape}")
    # Chunks may unpack to gigabytes, and external and virtual datasets lie in other files.
    if node.chunks or node.external or node.is_virtual or node.dtype.kind != "f":
        raise KerasFileError(f"{path} in model.weights.h5 is not stored as plain floating point")
    with np.errstate(over="ignore"):
        values: np.ndarray = node[()].astype(np.float32)
    if not np.isfinite(values).all():
        raise KerasFileError(f"{path} in model.weights.h5 holds values that are not finite")
    return values
