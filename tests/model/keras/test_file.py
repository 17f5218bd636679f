import io
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from model.keras.file import read_keras
from model.keras.layers import KerasFileError
from tests.helpers.keras_files import (
    WEIGHTS,
    keras_members,
    pack,
    random_arrays,
    write_hdf5,
)


def refusal(data: bytes) -> str:
    with pytest.raises(KerasFileError) as caught:
        read_keras(data)
    return str(caught.value)


@pytest.mark.parametrize("member", ["metadata.json", "config.json", WEIGHTS])
def test_a_missing_or_broken_member_is_refused_by_name(member: str) -> None:
    members = keras_members()
    whole = members.pop(member)
    assert f"there is no {member}" in refusal(pack(members))
    for damage in (b"", whole[: len(whole) // 2], b"\xff" * 99, b"[" * 200_000, b"[]"):
        assert member in refusal(pack({**members, member: damage}))


def test_a_damaged_zip_is_refused() -> None:
    whole = pack(keras_members(), zipfile.ZIP_DEFLATED)
    for length in (0, 10, len(whole) // 2, len(whole) - 10):
        assert refusal(whole[:length])
    assert refusal(b"not a zip at all")
    step = len(whole) // 20
    for position in range(step, len(whole) - step // 2, step):
        changed = bytearray(whole)
        changed[position] ^= 0xFF
        assert refusal(bytes(changed))
    assert "legacy" in refusal(write_hdf5(random_arrays()))


@pytest.mark.parametrize("name", list(random_arrays()))
def test_weights_that_are_missing_or_wrong_are_refused_by_name(name: str) -> None:
    arrays = random_arrays()
    values = arrays.pop(name)
    nan = values.copy()
    nan.flat[-1] = np.nan
    huge = values.astype(np.float64)
    huge.flat[0] = 1e300
    assert name in refusal(pack(keras_members(arrays=arrays)))
    for wrong in (nan, nan + np.inf, huge, values[..., :-1], values.T[None], values.astype(int)):
        assert name in refusal(pack(keras_members(arrays={**arrays, name: wrong})))


def test_weights_outside_the_file_are_refused(tmp_path: Path) -> None:
    arrays = random_arrays()
    name = "layers/conv2d/vars/1"
    bias = arrays.pop(name)
    (tmp_path / "other.h5").write_bytes(write_hdf5({"bias": bias}))
    (tmp_path / "other.raw").write_bytes(bias.tobytes())

    def put_link(file: h5py.File) -> None:
        file[name] = h5py.ExternalLink(str(tmp_path / "other.h5"), "bias")

    def put_external(file: h5py.File) -> None:
        external = [(str(tmp_path / "other.raw"), 0, bias.nbytes)]
        file.create_dataset(name, bias.shape, bias.dtype, external=external)

    def put_virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(bias.shape, bias.dtype)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "bias", bias.shape)
        file.create_virtual_dataset(name, layout)

    def put_chunks(file: h5py.File) -> None:
        file.create_dataset(name, data=bias, chunks=(8,), compression="gzip")

    for put in (put_link, put_external, put_virtual, put_chunks):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            for path, values in arrays.items():
                file[path] = values
            put(file)
        assert name in refusal(pack({**keras_members(), WEIGHTS: buffer.getvalue()}))


@pytest.mark.parametrize(
    ("honest", "reason"),
    [(True, "config.json has 67,108,864 bytes"), (False, "config.json is damaged")],
)
def test_a_bomb_is_refused_before_it_is_unpacked(reason: str, *, honest: bool) -> None:
    size = 64 * 1024 * 1024
    data = pack({**keras_members(), "config.json": b" " * size}, zipfile.ZIP_DEFLATED)
    if not honest:
        data = data.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    tracemalloc.start()
    message = refusal(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reason in message
    assert peak < size // 4


def test_unlimited_compression_is_refused() -> None:
    assert "compressed" in refusal(pack(keras_members(), zipfile.ZIP_LZMA))
