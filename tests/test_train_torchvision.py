"""A training that starts from weights of torchvision, which lie where it would download them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import train
from model.archive import make_archive
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from tests.helpers.networks import lay_weights
from tests.helpers.pictures import encode, make_gradient
from tests.helpers.server import running_server
from tests.helpers.training import arguments_for, train_once


def test_a_network_of_torchvision_learns_own_classes_up_to_the_archive(
    pictures: Path, pretrained: str, tmp_path: Path
) -> None:
    options = ["--recipe", "fine-tuned", "--start-from", pretrained, "--image-size", 64]
    run = train_once(pictures, "pretrained", *options)
    assert f"recipe fine-tuned, starting from {pretrained}" in run.output
    archive = make_archive(run.path, tmp_path)
    card = ModelCard.load(archive)
    assert (card.architecture, card.image_size, card.fit) == (pretrained, 64, "keep-aspect")
    # Three of the 24 test images lie in the wrong class.
    assert (card.test_accuracy or 0) >= 20 / 24
    assert not (run.path / "model.int8.onnx").exists()
    classifier = Classifier.load(archive)
    picture = encode(make_gradient())
    image = classifier.prepare(picture)
    assert image.pixels.shape == (64, 96, 3)
    (answer,) = classifier.answers([image])
    assert set(answer["probabilities"]) == {"night", "snow"}
    assert np.isfinite(classifier.compute(image.pixels[None])[1]).all()
    with running_server(tmp_path, MODEL_STORE=str(tmp_path), MODEL_NAME=card.name) as server:
        served = server.post(f"/predictions/{card.name}", body=picture).json()
    assert served["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-4)
    heat = classifier.explain(image)["heat"]["snow"]
    assert np.shape(heat) == (8, 12)
    assert np.any(heat)


@pytest.mark.parametrize("content", [None, b"", b"not weights", "of another network"])
def test_weights_that_cannot_be_had_are_one_line_that_says_where_to_lay_them(
    pictures: Path,
    pretrained: str,
    tmp_path: Path,
    error_line: Callable[[], str],
    content: bytes | str | None,
) -> None:
    (file,) = tmp_path.glob("hub/checkpoints/*")
    if content is None:
        file.unlink()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        lay_weights(tmp_path, "shufflenet_v2_x0_5").replace(file)
    arguments = arguments_for(pictures, "missing", "--recipe", "fine-tuned")
    assert train.main([*arguments, "--start-from", pretrained]) == 2
    error = error_line()
    assert f"the weights of {pretrained} can't be loaded" in error
    assert error.endswith(f"mobilenet_v3_small-047dcff4.pth elsewhere and save it as {file}\n")
