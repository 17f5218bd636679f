"""Read the original program's network from a ``.keras`` file, without Keras.

The file is a zip of ``metadata.json``, ``config.json`` (the layers) and ``model.weights.h5``
(HDF5). It may come from anybody: nothing in it is run, and nothing outside it is read.
"""

import io
import json
import zipfile
from dataclasses import dataclass

import h5py
import numpy as np
import torch
from torch import Tensor

from model.keras_layers import KerasFileError, check_layers, damage_refused, field

# The file of this net has 1.3 MB, with its training state 3.8 MB.
MAX_BYTES = 64 * 1024 * 1024
MAX_JSON_BYTES = 1024 * 1024
MAX_MEMBER_BYTES = {
    "metadata.json": MAX_JSON_BYTES,
    "config.json": MAX_JSON_BYTES,
    "model.weights.h5": MAX_BYTES,
}
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class KerasModel:
    """What a ``.keras`` file holds.

    Attributes:
        weights: a state dict of ``ReferenceCNN``, float32 on the CPU.
        num_classes: number of outputs, at least 2.
        dropout: rate in [0, 1) between the dense layers, 0 where there is none.
        keras_version: that wrote the file.
        saved: when, as ``2026-11-22@07:46:44``.
    """

    weights: dict[str, Tensor]
    num_classes: int
    dropout: float
    keras_version: str
    saved: str


def read_keras(data: bytes) -> KerasModel:
    """Read the bytes of a ``.keras`` file.

    Raises:
        KerasFileError: it is damaged, no ``.keras`` file, or of another net.
    """
    if data.startswith(HDF5_SIGNATURE):
        raise KerasFileError(
            "this is a legacy HDF5 file; write it anew with Keras 3: "
            "keras.models.load_model('old.h5').save('new.keras')"
        )
    with damage_refused("this is no .keras file, or a damaged or incomplete one"):
        archive = zipfile.ZipFile(io.BytesIO(data))
    metadata = _read_json(archive, "metadata.json")
    num_classes, dropout = check_layers(_read_json(archive, "config.json"))
    return KerasModel(
        weights=_read_weights(_read_member(archive, "model.weights.h5"), num_classes),
        num_classes=num_classes,
        dropout=dropout,
        keras_version=field(metadata, "keras_version", str, "metadata.json"),
        saved=field(metadata, "date_saved", str, "metadata.json"),
    )


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    if name not in archive.namelist():
        raise KerasFileError(f"there is no {name} in it")
    member, limit = archive.getinfo(name), MAX_MEMBER_BYTES[name]
    if member.file_size > limit:
        raise KerasFileError(f"{name} has {member.file_size:,} bytes, this net at most {limit:,}")
    # The other methods unpack without a limit.
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise KerasFileError(f"{name} is compressed as Keras never does")
    with damage_refused(f"{name} is damaged"), archive.open(member) as stream:
        # Within the limit in any case: the size in the zip's directory may be a lie.
        return stream.read(limit)


def _read_json(archive: zipfile.ZipFile, name: str) -> object:
    text = _read_member(archive, name)
    with damage_refused(f"{name} is no JSON"):
        return json.loads(text)


def _read_weights(data: bytes, num_classes: int) -> dict[str, Tensor]:
    """Return the state dict of ``ReferenceCNN``; Keras names layers by kind and order."""
    with (
        damage_refused("model.weights.h5 is damaged or incomplete"),
        h5py.File(io.BytesIO(data), "r") as file,
    ):
        return {
            **_read_layer(file, "conv2d", "features.0", (3, 3, 3, 32)),
            **_read_layer(file, "conv2d_1", "features.3", (3, 3, 32, 64)),
            **_read_layer(file, "dense", "dense", (6 * 6 * 64, 128)),
            **_read_layer(file, "dense_1", "output", (128, num_classes)),
        }


def _read_layer(
    file: h5py.File, theirs: str, ours: str, shape: tuple[int, ...]
) -> dict[str, Tensor]:
    kernel = _read_dataset(file, f"layers/{theirs}/vars/0", shape)
    bias = _read_dataset(file, f"layers/{theirs}/vars/1", shape[-1:])
    if theirs == "dense":
        # Its inputs are a flattened picture: rows, columns, channels; in PyTorch channels first.
        kernel = kernel.reshape(6, 6, 64, 128)
    # From (rows, columns,) inputs, outputs to outputs, inputs(, rows, columns).
    weight = np.moveaxis(kernel, (-1, -2), (0, 1))
    if theirs == "dense":
        weight = weight.reshape(128, -1)
    return {
        f"{ours}.weight": torch.from_numpy(np.ascontiguousarray(weight)),
        f"{ours}.bias": torch.from_numpy(bias),
    }


def _read_dataset(file: h5py.File, path: str, shape: tuple[int, ...]) -> np.ndarray:
    node: object = file
    for name in path.split("/"):
        # A link of another kind may lead to any file of this machine.
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
        raise KerasFileError(f"{path} in model.weights.h5 is not kept as plain floating point")
    with np.errstate(over="ignore"):
        values: np.ndarray = node[()].astype(np.float32)
    if not np.isfinite(values).all():
        raise KerasFileError(f"{path} in model.weights.h5 holds values that are no numbers")
    return values
