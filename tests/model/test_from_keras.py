import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.command_line import visible
from model.from_keras import CIFAR10_CLASS_NAMES, main
from model.images.preprocessing import prepare
from model.inference.card import ModelCard
from model.networks.reference_cnn import ReferenceCNN
from tests.helpers.keras_files import (
    functional,
    keras_answers,
    keras_members,
    pack,
    random_arrays,
    sequential,
)
from tests.helpers.networks import network_of, probabilities_in_pytorch
from tests.helpers.pictures import SHARED


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


@pytest.mark.parametrize("model", [sequential(), functional()], ids=["sequential", "functional"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_run_gives_the_answers_of_the_keras_file(
    convert: Callable[..., Path], model: dict[str, Any], method: int
) -> None:
    run = convert(pack(keras_members(model), method))
    pixels = np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    expected = keras_answers(random_arrays(), pixels / 255)
    assert expected.std(axis=0).min() > 1e-3
    probabilities = probabilities_in_pytorch(network_of(run), pixels)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["cnn_cifar10_model", "with_optimizer"])
def test_a_file_of_the_original_program_answers_as_keras_did(tmp_path: Path, name: str) -> None:
    file, images = SHARED / "keras" / f"{name}.keras", SHARED / "cifar10" / "test.zip"
    if not file.is_file() or not images.is_file():
        pytest.skip("the Keras files and the test images are not at shared/keras, shared/cifar10")
    assert main([str(file), "--runs", str(tmp_path)]) == 0
    run = tmp_path / f"keras-{name}"
    card = ModelCard.load(run)
    with zipfile.ZipFile(images) as archive:
        by_index = {Path(image).stem: image for image in archive.namelist()}
        pixels = np.stack(
            [prepare(archive.read(by_index[f"{index:05}"]), 32).pixels for index in range(200)]
        )
    with np.load(SHARED / "keras" / "expected.npz") as expected:
        probabilities = probabilities_in_pytorch(network_of(run), pixels)
        np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-4)
    assert card.class_names == CIFAR10_CLASS_NAMES
    assert card.dropout == 0.5


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
    card = ModelCard.load(run)
    assert (card.name, card.class_names) == ("keras-weather", ("rain", "snow", "sun"))
    assert (card.dropout, card.created) == (0.4, "2026-11-22")
    assert "weather.keras" in card.data
    assert (card.validation_accuracy, card.test_accuracy) == (None, None)
    weights = torch.load(run / "weights.pt", weights_only=True)
    assert list(weights) == list(ReferenceCNN(3).state_dict())
    assert {values.dtype for values in weights.values()} == {torch.float32}


def test_what_is_not_a_keras_file_of_this_network_is_refused(
    refusal: Callable[..., str], tmp_path: Path
) -> None:
    model = sequential()
    model["config"]["layers"][1]["config"]["filters"] = 64
    assert "'conv2d' (Conv2D) has filters 64, not 32" in refusal(pack(keras_members(model)))
    assert refusal(b"not a zip at all")
    for place in (tmp_path / "missing.keras", tmp_path):
        assert main([str(place), "--runs", str(tmp_path / "runs")]) == 2


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
    assert ModelCard.load(tmp_path / "runs" / "keras-10").class_names == CIFAR10_CLASS_NAMES


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


def test_a_place_that_cannot_be_written_is_one_line(
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
    assert visible(file.name) in ModelCard.load(tmp_path / "runs" / "plain").data
