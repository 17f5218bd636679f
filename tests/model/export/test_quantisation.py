from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from model.data.dataset import LabelledImages
from model.export.graph import export_run
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from model.inference.engine import OnnxEngine
from model.networks import build_network
from model.networks.strong_cnn import StrongCNN
from model.training.initial_network import load_trained_network
from tests.helpers.networks import measure_normalisations, probabilities_in_pytorch
from tests.helpers.training import FinishedRun


@pytest.fixture
def large_run(
    request: pytest.FixtureRequest, finished_run: FinishedRun, tmp_path: Path
) -> tuple[Path, np.ndarray]:
    """A run of an untrained large network with sharp answers, and the images of its data."""
    torch.manual_seed(0)
    images = torch.randint(256, (200, 3, 32, 32), dtype=torch.uint8)
    network = build_network(request.param, 2, 0.0)
    if isinstance(network, StrongCNN):
        network.start_from(images / 255)
    measure_normalisations(network, images / 255)
    nn.init.normal_(network.output.weight)
    with torch.inference_mode():
        network.output.weight /= network(images / 255).std()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    card = replace(ModelCard.load(finished_run.path), architecture=request.param)
    card.save(tmp_path)
    export_run(tmp_path, card, LabelledImages(images, torch.zeros(200, dtype=torch.long)))
    return tmp_path, images.permute(0, 2, 3, 1).contiguous().numpy()


@pytest.mark.parametrize("large_run", ["StrongCNN", "torchvision:resnet18"], indirect=True)
def test_the_graphs_of_a_large_network_answer_as_its_weights_do(
    large_run: tuple[Path, np.ndarray],
) -> None:
    run, pixels = large_run
    expected = probabilities_in_pytorch(load_trained_network(run), pixels)
    exact = OnnxEngine((run / "model.onnx").read_bytes()).compute(pixels)[0]
    np.testing.assert_allclose(exact, expected, atol=5e-3)
    quantised = OnnxEngine((run / "model.int8.onnx").read_bytes()).compute(pixels)[0]
    assert np.abs(quantised - expected).mean() < 0.1
    assert not np.array_equal(quantised, exact)
    rounded = torch.load(run / "weights.pt")["output.weight"].dtype == torch.float16
    assert rounded == (ModelCard.load(run).architecture == "StrongCNN")


@pytest.mark.parametrize("large_run", ["StrongCNN"], indirect=True)
@pytest.mark.parametrize("is_quick", [True, False])
def test_the_quantised_graph_answers_where_the_processor_is_quick_at_it(
    large_run: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch, *, is_quick: bool
) -> None:
    run, pixels = large_run
    monkeypatch.setattr("model.inference.classifier.is_quick_at_int8", lambda: is_quick)
    classifier = Classifier.load(run)
    name = "model.int8.onnx" if is_quick else "model.onnx"
    expected = OnnxEngine((run / name).read_bytes()).compute(pixels)[0]
    np.testing.assert_array_equal(classifier.compute(pixels)[0], expected)
    assert classifier.precision == ("int8" if is_quick else "float32")
