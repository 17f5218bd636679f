import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model import from_keras
from model.archive import main as archive
from model.from_keras import CIFAR10_CLASS_NAMES, main
from model.images.preprocessing import prepare
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from tests.helpers.pictures import SHARED

# Keras itself raises it when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

keras: Any = from_keras.keras  # type: ignore[attr-defined]
layers = keras.layers
NAMES = ("--class-names", "rain,snow,sun")


def net(*hidden: Any, side: int = 20, classes: int = 3, activation: str | None = None) -> Any:
    keras.utils.set_random_seed(0)
    last = layers.Dense(classes, activation)
    return keras.Sequential([keras.Input((side, side, 3)), *hidden, layers.Flatten(), last])


def nested() -> Any:
    scaling = layers.Rescaling([1 / 127.5] * 3, -1)
    return net(layers.RandomFlip(), keras.Sequential([scaling, layers.Conv2D(4, 3, 2, "same")]))


def residual() -> Any:
    keras.utils.set_random_seed(0)
    pictures = keras.Input((45, 45, 3))
    hidden = layers.Conv2D(8, 3, 2, "same", activation="gelu")(pictures)
    hidden += layers.SeparableConv2D(8, 3, padding="same")(layers.BatchNormalization()(hidden))
    hidden = layers.MaxPooling2D(3, 2, "same")(layers.LayerNormalization()(hidden))
    hidden = layers.Dense(3)(layers.GlobalMaxPooling2D()(layers.Dropout(0.5)(hidden)))
    return keras.Model(pictures, layers.Softmax()(hidden))


def two_inputs() -> Any:
    model = net()
    more = keras.Input((3,))
    return keras.Model([*model.inputs, more], model.outputs[0] + more)


def preprocessed() -> Any:
    model, pictures = net(), keras.Input((20, 20, 3))
    return keras.Model(pictures, model(pictures / 127.5 - 1))


class Own(layers.Layer):  # type: ignore[misc,name-defined]
    def call(self, inputs: Any) -> Any:
        return inputs


@pytest.fixture
def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command on what it must refuse, in one line and without a trace."""

    def run(file: Path, *options: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        assert main([str(file), "--runs", str(tmp_path / "runs"), *(options or NAMES)]) == 2
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.count("\n") == 1
        assert output.err.startswith("model.from_keras: error: ")
        assert sorted(tmp_path.rglob("*")) == before
        return output.err

    return run


@pytest.mark.parametrize(
    ("make", "suffix", "options"),
    [
        (net, ".keras", ()),
        (net, ".h5", ("--input-range", "-1", "1")),
        (nested, ".keras", ()),
        (residual, ".keras", ("--input-range", "0", "255")),
    ],
)
def test_a_classifier_is_served_with_the_answers_that_keras_gives(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    make: Callable[[], Any],
    suffix: str,
    options: tuple[str, ...],
) -> None:
    model = make()
    model.save(tmp_path / f"net{suffix}")
    file = str(tmp_path / f"net{suffix}")
    capfd.readouterr()
    assert main([*NAMES, *options, "--runs", str(tmp_path), "--name", "run", file]) == 0
    _, black, white = options or ("", "0", "255" if make is nested else "1")
    printed = capfd.readouterr()
    assert f"pixels from {black} to {white}" in printed.out
    assert f"python -m model.archive {tmp_path / 'run'}\n" in printed.out
    assert printed.err == ""

    assert archive([str(tmp_path / "run"), "--model-store", str(tmp_path), "--name", "net"]) == 0
    assert archive([str(tmp_path / "net.mar"), "--model-store", str(tmp_path)]) == 0
    classifier = Classifier.load(tmp_path / "net.mar")
    assert classifier.card.class_names == ("rain", "snow", "sun")
    size = classifier.card.image_size
    pixels = np.random.default_rng(1).integers(0, 256, (5, size, size, 3), np.uint8)
    inputs = pixels / 255 * (float(white) - float(black)) + float(black)
    expected = torch.tensor(model.predict(inputs, verbose=0))
    if make is not residual:
        expected = expected.softmax(dim=1)
    assert expected.std(dim=0).min() > 1e-3
    np.testing.assert_allclose(classifier.compute(pixels)[0], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["cnn_cifar10_model", "with_optimizer"])
def test_a_file_of_the_original_program_answers_as_keras_did(tmp_path: Path, name: str) -> None:
    file, images = SHARED / "keras" / f"{name}.keras", SHARED / "cifar10" / "test.zip"
    if not file.is_file() or not images.is_file():
        pytest.skip("the Keras files and the test images are not at shared/keras, shared/cifar10")
    assert main([str(file), "--runs", str(tmp_path)]) == 0
    classifier = Classifier.load(tmp_path / f"keras-{name}")
    with zipfile.ZipFile(images) as archive:
        by_index = {Path(image).stem: image for image in archive.namelist()}
        pixels = np.stack(
            [prepare(archive.read(by_index[f"{index:05}"]), 32).pixels for index in range(200)]
        )
    with np.load(SHARED / "keras" / "expected.npz") as expected:
        probabilities = classifier.compute(pixels)[0]
        np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5)
    assert classifier.card.class_names == CIFAR10_CLASS_NAMES


@pytest.mark.parametrize(
    ("model", "suffix", "remedy"),
    [
        (two_inputs(), ".keras", r"[(20, 20, 3), (3,)]"),
        (
            keras.Sequential([keras.Input((20, 30, 3)), layers.Flatten(), layers.Dense(3)]),
            ".keras",
            "square",
        ),
        (preprocessed(), ".keras", "say with --input-range what it takes for black and white"),
        (net(layers.Normalization()), ".keras", "say with --input-range"),
        (net(classes=1), ".keras", "C ≥ 2 classes"),
        (net(activation="sigmoid"), ".keras", "it ends with sigmoid; end it with softmax"),
        *(
            (net(layer), suffix, "use Keras' own layers")
            for layer in (layers.Lambda(lambda x: x), Own())
            for suffix in (".keras", ".h5")
        ),
    ],
)
def test_a_model_that_cannot_be_served_is_refused(
    refusal: Callable[..., str], tmp_path: Path, model: Any, suffix: str, remedy: str
) -> None:
    model.save(tmp_path / f"net{suffix}")
    assert remedy in refusal(tmp_path / f"net{suffix}")


@pytest.mark.parametrize(
    ("damage", "remedy"),
    [
        (lambda data: data[: len(data) // 2], "save the whole model again"),
        (lambda data: data.replace(b"HDF", b"XXX"), "Bad CRC-32"),
        (lambda data: data.replace(b"config.json", b"camera.json"), "save the whole model again"),
        (lambda _: b"<html>", "save the whole model again"),
        (lambda _: b"", "save the whole model again"),
    ],
)
def test_a_damaged_file_or_another_one_is_refused(
    refusal: Callable[..., str], tmp_path: Path, damage: Callable[[bytes], bytes], remedy: str
) -> None:
    net().save(tmp_path / "net.keras")
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(damage((tmp_path / "net.keras").read_bytes()))
    assert remedy in refusal(damaged)


def test_weights_alone_another_name_a_folder_and_nothing_are_refused(
    refusal: Callable[..., str], tmp_path: Path
) -> None:
    net().save_weights(tmp_path / "net.weights.h5")
    assert "it holds weights alone; save the whole model" in refusal(tmp_path / "net.weights.h5")
    (tmp_path / "net.weights.h5").rename(tmp_path / "download")
    assert "by the end of its name, .keras or .h5; rename it" in refusal(tmp_path / "download")
    (tmp_path / "saved_model").mkdir()
    assert "it is a folder; give a file that model.save" in refusal(tmp_path / "saved_model")
    assert "there is no such file" in refusal(tmp_path / "missing.keras")


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        ("rain,snow", "has 2 names for 3 classes"),
        ("rain,snow,rain", "each class a printable name of its own"),
        ("rain, ,sun", "has 2 names for 3 classes"),
        ("rain snow sun", "put commas between names"),
        ("rain,snow,su\x1b", "each class a printable name of its own"),
        (None, "name its 3 classes with --class-names"),
    ],
)
def test_class_names_must_fit(
    refusal: Callable[..., str], tmp_path: Path, names: str | None, remedy: str
) -> None:
    net().save(tmp_path / "net.keras")
    options = ("--class-names", names) if names else ("--input-range", "0", "1")
    assert remedy in refusal(tmp_path / "net.keras", *options)


def test_class_names_are_read_from_a_file(tmp_path: Path) -> None:
    net().save(tmp_path / "net.keras")
    (tmp_path / "labels.txt").write_bytes("\ufeffheavy rain, or hail\r\nsnow\r\nSöl\r\n".encode())
    arguments = [str(tmp_path / "net.keras"), "--runs", str(tmp_path), "--class-names"]
    assert main([*arguments, str(tmp_path / "labels.txt")]) == 0
    assert ModelCard.load(tmp_path / "keras-net").class_names == (
        "heavy rain, or hail",
        "snow",
        "Söl",
    )


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (("--name", "taken"), "choose another --name"),
        (("--name", "new\nline"), "choose another --name"),
        (("--runs", "{folder}/net.keras"), "Not a directory"),
    ],
)
def test_a_run_that_cannot_be_written_is_refused(
    refusal: Callable[..., str], tmp_path: Path, options: tuple[str, str], remedy: str
) -> None:
    net().save(tmp_path / "net.keras")
    (tmp_path / "runs" / "taken").mkdir(parents=True)
    option, value = options
    assert remedy in refusal(tmp_path / "net.keras", *NAMES, option, value.format(folder=tmp_path))
