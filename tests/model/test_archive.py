import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import train
from model.archive import HANDLER_MODULES, PACKED_MODULES, ArchiveError, main, make_archive
from model.classifier import Classifier
from model.onnx_net import OnnxNet
from tests.conftest import SHIPPED_ARCHIVE
from tests.golden import FILE as GOLDEN_FILE
from tests.golden import golden_pictures
from tests.serving import PROJECT

MakeFolder = Callable[..., Path]


@pytest.fixture
def run(make_image_folder: MakeFolder) -> Path:
    folder = make_image_folder()
    options = ["--epochs", "1", "--batch-size", "4", "--validation-images", "4"]
    runs = folder.parent / "runs"
    train.main(["--data", str(folder), *options, "--runs", str(runs), "--name", "small"])
    return runs / "small"


def test_a_run_becomes_an_archive_that_answers_the_same(run: Path, png: bytes) -> None:
    archive = make_archive(run, run.parent / "store", "weather", "3.1")
    from_run, from_archive = Classifier.load(run), Classifier.load(archive)
    assert from_archive.classify(png)["probabilities"] == from_run.classify(png)["probabilities"]
    assert from_archive.classify(png)["model"] == {"name": "weather", "version": "3.1"}
    assert set(from_archive.card.class_names) == {"night", "snow"}


def test_the_card_beside_the_archive_tells_accuracy_data_recipe_and_date(run: Path) -> None:
    make_archive(run, run.parent / "store", "weather", "3.1")
    card = (run.parent / "store" / "weather.md").read_text()
    created = Classifier.load(run).card.created
    for fact in (
        "# weather 3.1",
        "Test accuracy",
        "of 24 images",
        "reference",
        "pictures",
        created,
    ):
        assert fact in card


def test_packing_an_archive_again_keeps_name_version_and_weights(run: Path) -> None:
    store = run.parent / "store"
    make_archive(run, store, "weather", "3.1")
    before = Classifier.load(store / "weather.mar")
    assert main([str(store / "weather.mar"), "--model-store", str(store)]) == 0
    after = Classifier.load(store / "weather.mar")
    assert after.card == before.card
    pixels = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    assert torch.equal(after.probabilities(pixels), before.probabilities(pixels))


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no finished run"):
        make_archive(tmp_path, tmp_path / "store", "x", "1.0")
    assert not (tmp_path / "store").exists()


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "model.archive", str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1


def test_the_shipped_archive_holds_the_code_of_this_checkout() -> None:
    files = {
        **{f"model/{module}": f"model/{module}" for module in PACKED_MODULES},
        **{f"handler/{module}": f"handler/{module}" for module in HANDLER_MODULES},
        "image_handler.py": "handler/image_handler.py",
        "model-config.yaml": "handler/model-config.yaml",
    }
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as archive:
        code = {name for name in archive.namelist() if name.endswith((".py", ".yaml"))}
        assert code == set(files)
        for packed, file in files.items():
            assert archive.read(packed) == (PROJECT / file).read_bytes(), (
                f"{file} has changed; pack it: python -m model.archive model_store/cifar10.mar"
            )


def test_the_shipped_graph_is_made_of_the_shipped_weights() -> None:
    classifier = Classifier.load(SHIPPED_ARCHIVE)
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as archive:
        served = OnnxNet(archive.read("net.onnx"))
    pixels = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), np.uint8)
    expected = classifier.probabilities(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(served.probabilities(pixels), expected, atol=1e-5, rtol=0)


def test_the_shipped_archive_is_version_1_0_of_cifar10() -> None:
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as archive:
        manifest = json.loads(archive.read("MAR-INF/MANIFEST.json"))
    assert manifest["model"]["modelName"] == "cifar10"
    assert manifest["model"]["modelVersion"] == "1.0"
    card = Classifier.load(SHIPPED_ARCHIVE).card
    assert (card.name, card.version) == ("cifar10", "1.0")
    assert card.to_markdown() == SHIPPED_ARCHIVE.with_suffix(".md").read_text()
    assert card.class_names == (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )


def test_the_shipped_archive_answers_without_this_checkout(tmp_path: Path, png: bytes) -> None:
    """As in a TorchServe worker: the unpacked archive is all there is."""
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "picture.png").write_bytes(png)
    program = """
import pathlib, sys
import image_handler, handler.image_request, model
from model.answers import answer
from model.model_card import ModelCard
from model.onnx_net import OnnxNet
from model.preprocessing import prepare
print(model.__file__)
print(handler.image_request.__file__)
card = ModelCard.from_json(pathlib.Path("model_card.json").read_text())
image = prepare(pathlib.Path("picture.png").read_bytes(), card.image_size)
net = OnnxNet(pathlib.Path("net.onnx").read_bytes())
print(answer(card, net.probabilities(image.pixels[None])[0].tolist(), image)["label"])
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    *files, label = result.stdout.split()
    assert all(file.startswith(str(tmp_path)) for file in files)
    assert label == Classifier.load(SHIPPED_ARCHIVE).classify(png)["label"]


@pytest.mark.parametrize("name", golden_pictures())
def test_the_shipped_archive_gives_its_golden_answers(name: str) -> None:
    """A change of the preprocessing or the net shows here before anybody is served by it."""
    golden = json.loads(GOLDEN_FILE.read_text())
    answer = Classifier.load(SHIPPED_ARCHIVE).classify(golden_pictures()[name])
    assert answer["probabilities"] == pytest.approx(golden[name], abs=1e-3)


def test_weights_that_are_damaged_are_one_clear_line(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for damage in (b"", b"not weights at all"):
        (run / "weights.pt").write_bytes(damage)
        capsys.readouterr()
        assert main([str(run), "--model-store", str(run.parent / "store")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
