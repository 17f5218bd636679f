import copy
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from model.archive import make_archive
from model.classifier import Classifier
from model.from_keras import CIFAR10_CLASS_NAMES, main
from model.preprocessing import preprocess
from model.reference_cnn import ReferenceCNN
from model.wording import visible
from tests.conftest import SHARED
from tests.keras_files import (
    WEIGHTS,
    Arrays,
    convolution,
    functional,
    keras_members,
    layer,
    pack,
    random_arrays,
    sequential,
    write_hdf5,
)


@pytest.fixture
def convert(tmp_path: Path) -> Callable[..., Path]:
    def run(data: bytes, *options: str) -> Path:
        (tmp_path / "weather.keras").write_bytes(data)
        names = () if "--class-names" in options else ("--class-names", "rain", "snow", "sun")
        arguments = [str(tmp_path / "weather.keras"), "--runs", str(tmp_path / "runs")]
        assert main([*arguments, *names, *options]) == 0
        return tmp_path / "runs" / "keras-weather"

    return run


@pytest.fixture
def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command on what it must refuse, in one line and without a trace."""

    def run(data: bytes, *options: str) -> str:
        file = tmp_path / "weather.keras"
        file.write_bytes(data)
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        names = () if "--class-names" in options else ("--class-names", "rain", "snow", "sun")
        assert main([str(file), "--runs", str(tmp_path / "runs"), *names, *options]) == 2
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.count("\n") == 1
        assert output.err.startswith(f"model.from_keras: error: {file}: ")
        assert sorted(tmp_path.rglob("*")) == before
        return output.err.removeprefix(f"model.from_keras: error: {file}: ")

    return run


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


@pytest.mark.parametrize("model", [sequential(), functional()], ids=["sequential", "functional"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_run_gives_the_answers_of_the_keras_file(
    convert: Callable[..., Path], model: dict[str, Any], method: int
) -> None:
    run = convert(pack(keras_members(model), method))
    pixels = np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    expected = keras_answers(random_arrays(), pixels / 255)
    assert expected.std(axis=0).min() > 1e-3
    probabilities = Classifier.load(run).probabilities(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    np.testing.assert_allclose(probabilities.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["cnn_cifar10_model", "with_optimizer"])
def test_a_file_of_the_original_program_answers_as_keras_did(tmp_path: Path, name: str) -> None:
    file, images = SHARED / "keras" / f"{name}.keras", SHARED / "cifar10" / "test.zip"
    if not file.is_file() or not images.is_file():
        pytest.skip("the Keras files and the test images are not at shared/keras, shared/cifar10")
    assert main([str(file), "--runs", str(tmp_path)]) == 0
    classifier = Classifier.load(tmp_path / f"keras-{name}")
    with zipfile.ZipFile(images) as archive:
        by_index = {Path(image).stem: image for image in archive.namelist()}
        pixels = torch.stack(
            [preprocess(archive.read(by_index[f"{index:05}"]), 32) for index in range(200)]
        )
    with np.load(SHARED / "keras" / "expected.npz") as expected:
        probabilities = classifier.probabilities(pixels).numpy()
        np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-4)
    assert classifier.card.class_names == CIFAR10_CLASS_NAMES
    assert classifier.card.dropout == 0.5


def test_the_run_says_where_it_came_from_and_claims_nothing_else(
    convert: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = convert(pack(keras_members()))
    assert f"python -m model.archive {run}" in capsys.readouterr().out.splitlines()[-1]
    assert sorted(file.name for file in run.parent.rglob("*")) == [
        *("config.json", "keras-weather", "model_card.json", "weights.pt")
    ]
    origin = json.loads((run / "config.json").read_text())
    assert (origin["keras_file"], origin["keras"]) == ("weather.keras", "3.15.1")
    assert len(origin["sha256"]) == 64
    card = Classifier.load(run).card
    assert (card.name, card.class_names) == ("keras-weather", ("rain", "snow", "sun"))
    assert (card.dropout, card.created) == (0.4, "2026-11-22")
    assert "weather.keras" in card.data
    assert (card.validation_accuracy, card.test_accuracy) == (None, None)
    weights = torch.load(run / "weights.pt", weights_only=True)
    assert list(weights) == list(ReferenceCNN(3).state_dict())
    assert {values.dtype for values in weights.values()} == {torch.float32}


def test_the_run_becomes_an_archive_that_answers_the_same(
    convert: Callable[..., Path], tmp_path: Path, png: bytes
) -> None:
    run = convert(pack(keras_members()))
    archive = make_archive(run, tmp_path / "store", "weather", "2.0")
    answer = Classifier.load(archive).classify(png)
    assert answer["probabilities"] == Classifier.load(run).classify(png)["probabilities"]
    assert answer["model"] == {"name": "weather", "version": "2.0"}


@pytest.mark.parametrize("fixed", [[64, 32, 32, 3], [None, 32, 32, 3]])
def test_batch_size_and_dropout_make_no_difference(
    convert: Callable[..., Path], fixed: list[int | None]
) -> None:
    model = sequential()
    layers = model["config"]["layers"]
    layers[0]["config"]["batch_shape"] = fixed
    layers[:] = [record for record in layers if record["class_name"] != "Dropout"]
    assert Classifier.load(convert(pack(keras_members(model)))).card.dropout == 0


@pytest.mark.parametrize(
    ("index", "setting", "value"),
    [
        (0, "batch_shape", [None, 64, 64, 3]),
        (0, "batch_shape", [None, 32, 32, 1]),
        (0, "batch_shape", None),
        (1, "filters", 64),
        (4, "filters", 65),
        (1, "kernel_size", [5, 5]),
        (1, "strides", [2, 2]),
        (4, "padding", "same"),
        (1, "data_format", "channels_first"),
        (1, "dilation_rate", [2, 2]),
        (4, "groups", 2),
        (4, "activation", "elu"),
        (1, "activation", {"class_name": "function"}),
        (1, "use_bias", False),
        (2, "pool_size", [3, 3]),
        (5, "strides", [1, 1]),
        (2, "padding", "same"),
        (2, "data_format", "channels_first"),
        (6, "data_format", "channels_first"),
        (7, "units", 256),
        (7, "activation", "tanh"),
        (7, "use_bias", False),
        (9, "activation", "sigmoid"),
        (9, "use_bias", False),
        (9, "units", 1),
        (9, "units", "3"),
        (8, "rate", 1.5),
        (8, "rate", "half"),
    ],
)
def test_another_setting_is_refused_by_layer_and_name(
    refusal: Callable[..., str], index: int, setting: str, value: object
) -> None:
    model = sequential()
    config = model["config"]["layers"][index]["config"]
    config[setting] = value
    message = refusal(pack(keras_members(model)))
    assert repr(config["name"]) in message
    assert ("shape" if setting == "batch_shape" else setting) in message


def test_a_missing_setting_is_refused(refusal: Callable[..., str]) -> None:
    model = sequential()
    del model["config"]["layers"][1]["config"]["padding"]
    assert "'conv2d' (Conv2D) has padding None, not 'valid'" in refusal(pack(keras_members(model)))


def test_other_layers_are_refused_by_name(refusal: Callable[..., str]) -> None:
    def with_layers(change: Callable[[list[dict[str, Any]]], object]) -> str:
        model = sequential()
        change(model["config"]["layers"])
        return refusal(pack(keras_members(model)))

    normalisation = layer("BatchNormalization", "normal")
    assert "'normal' (BatchNormalization)" in with_layers(lambda x: x.insert(2, normalisation))
    assert "'normal' (BatchNormalization)" in with_layers(lambda x: x.append(normalisation))
    assert "end where the net has Dense" in with_layers(lambda x: x.pop())
    assert "end where the net has InputLayer" in with_layers(lambda x: x.clear())
    assert "where the net has MaxPooling2D" in with_layers(lambda x: x.pop(2))
    own = {**convolution("own", 32), "module": "program"}
    assert "program.Conv2D" in with_layers(lambda x: x.__setitem__(1, own))


def test_a_functional_model_must_be_a_line(refusal: Callable[..., str]) -> None:
    def with_change(change: Callable[[dict[str, Any]], object]) -> str:
        model = functional()
        change(model["config"])
        return refusal(pack(keras_members(model)))

    def call(config: dict[str, Any], index: int) -> dict[str, Any]:
        nodes: list[dict[str, Any]] = config["layers"][index]["inbound_nodes"]
        return nodes[0]

    def skip(config: dict[str, Any]) -> None:
        call(config, 8)["args"][0]["config"]["keras_history"] = ["flatten", 0, 0]

    assert "'dropout_1'" in with_change(skip)
    assert "'dropout'" in with_change(lambda x: call(x, 3)["kwargs"].update(training=True))
    assert "'conv2d'" in with_change(lambda x: x["layers"][1].pop("inbound_nodes"))
    assert "'conv2d'" in with_change(lambda x: x["layers"][1]["inbound_nodes"].append({}))
    assert "'answer'" in with_change(lambda x: x.update(output_layers=["dense", 0, 0]))


WRONG_SHAPES: list[tuple[tuple[str | int, ...], object]] = [
    ((), []),
    ((), 3),
    (("class_name",), []),
    (("class_name",), "Program"),
    (("config",), []),
    (("config",), None),
    (("config", "layers"), {}),
    (("config", "layers"), "layers"),
    (("config", "layers", 1), []),
    (("config", "layers", 1), None),
    (("config", "layers", 1, "class_name"), {}),
    (("config", "layers", 1, "module"), []),
    (("config", "layers", 1, "config"), []),
    (("config", "layers", 1, "config", "name"), 7),
]


@pytest.mark.parametrize(("path", "value"), WRONG_SHAPES)
def test_json_of_another_shape_is_refused(
    refusal: Callable[..., str], path: tuple[str | int, ...], value: object
) -> None:
    model: Any = {"root": sequential()}
    *parents, last = ("root", *path)
    target = model
    for key in parents:
        target = target[key]
    target[last] = value
    refusal(pack(keras_members(copy.deepcopy(model["root"]))))


@pytest.mark.parametrize("member", ["metadata.json", "config.json", WEIGHTS])
def test_a_missing_or_broken_member_is_refused_by_name(
    refusal: Callable[..., str], member: str
) -> None:
    members = keras_members()
    whole = members.pop(member)
    assert f"there is no {member}" in refusal(pack(members))
    for damage in (b"", whole[: len(whole) // 2], b"\xff" * 99, b"[" * 200_000, b"[]"):
        assert member in refusal(pack({**members, member: damage}))


def test_a_damaged_zip_is_refused(refusal: Callable[..., str], tmp_path: Path) -> None:
    whole = pack(keras_members(), zipfile.ZIP_DEFLATED)
    for length in (0, 10, len(whole) // 2, len(whole) - 10):
        refusal(whole[:length])
    refusal(b"no zip at all")
    step = len(whole) // 20
    for position in range(step, len(whole) - step // 2, step):
        changed = bytearray(whole)
        changed[position] ^= 0xFF
        refusal(bytes(changed))
    assert "legacy" in refusal(write_hdf5(random_arrays()))
    assert main([str(tmp_path / "missing.keras"), "--runs", str(tmp_path / "runs")]) == 2
    assert main([str(tmp_path), "--runs", str(tmp_path / "runs")]) == 2


@pytest.mark.parametrize("name", list(random_arrays()))
def test_weights_that_are_missing_or_wrong_are_refused_by_name(
    refusal: Callable[..., str], name: str
) -> None:
    arrays = random_arrays()
    values = arrays.pop(name)
    nan = values.copy()
    nan.flat[-1] = np.nan
    huge = values.astype(np.float64)
    huge.flat[0] = 1e300
    assert name in refusal(pack(keras_members(arrays=arrays)))
    for wrong in (nan, nan + np.inf, huge, values[..., :-1], values.T[None], values.astype(int)):
        assert name in refusal(pack(keras_members(arrays={**arrays, name: wrong})))


def test_weights_outside_the_file_are_refused(refusal: Callable[..., str], tmp_path: Path) -> None:
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
def test_a_bomb_is_refused_before_it_is_unpacked(
    refusal: Callable[..., str], reason: str, *, honest: bool
) -> None:
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


def test_unlimited_compression_is_refused(refusal: Callable[..., str]) -> None:
    assert "compressed" in refusal(pack(keras_members(), zipfile.ZIP_LZMA))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["rain", "snow"], "2 names for 3"),
        (["rain", "snow", "sun", "fog"], "4 names for 3"),
        (["rain", "snow", "rain"], "twice"),
        (["rain", "snow", " "], "can't be shown"),
        (["rain", "snow", "su\nn"], "can't be shown"),
    ],
)
def test_class_names_must_fit(refusal: Callable[..., str], names: list[str], reason: str) -> None:
    assert reason in refusal(pack(keras_members()), "--class-names", *names)


def test_class_names_are_asked_for_unless_there_are_ten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for classes, code in ((3, 2), (10, 0)):
        file = tmp_path / f"{classes}.keras"
        file.write_bytes(pack(keras_members(sequential(classes), random_arrays(classes))))
        assert main([str(file), "--runs", str(tmp_path / "runs")]) == code
    assert "name its 3 classes with --class-names" in capsys.readouterr().err
    assert Classifier.load(tmp_path / "runs" / "keras-10").card.class_names == CIFAR10_CLASS_NAMES


def test_an_existing_run_is_left_alone(
    convert: Callable[..., Path], refusal: Callable[..., str]
) -> None:
    run = convert(pack(keras_members()))
    before = (run / "weights.pt").read_bytes()
    other = pack(keras_members(arrays={k: v * 2 for k, v in random_arrays().items()}))
    assert "exists already" in refusal(other)
    assert (run / "weights.pt").read_bytes() == before
    (run.parent / "empty").mkdir()
    assert "exists already" in refusal(other, "--name", "empty")


@pytest.mark.parametrize("name", ["", ".", "a/b", "/absolute", "new\nline"])
def test_the_name_of_a_run_is_a_plain_one(refusal: Callable[..., str], name: str) -> None:
    assert "--name" in refusal(pack(keras_members()), "--name", name)


def test_a_place_that_can_not_be_written_is_one_line(
    refusal: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    message = refusal(pack(keras_members()), "--runs", str(tmp_path / "file" / "runs"))
    assert "can't be written" in message


def test_an_odd_file_name_stays_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "odd\nname.keras"
    file.write_bytes(pack(keras_members(sequential(10), random_arrays(10))))
    assert main([str(file), "--runs", str(tmp_path / "runs")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([str(file), "--runs", str(tmp_path / "runs"), "--name", "plain"]) == 0
    assert visible(file.name) in Classifier.load(tmp_path / "runs" / "plain").card.data


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    assert "python -m model.from_keras cnn_cifar10_model.keras" in capsys.readouterr().out
