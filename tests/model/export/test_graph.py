from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from model.export.graph import export_network
from model.export.ood import OodScore
from model.inference.engine import OnnxEngine
from model.networks import Network, to_unit_range
from model.networks.reference_cnn import ReferenceCNN
from model.networks.strong_cnn import StrongCNN
from model.networks.torchvision_network import TorchvisionNetwork
from tests.helpers.networks import measure_normalisations, probabilities_in_pytorch

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 64, 82, 3), np.uint8)


def build_mobilenet() -> TorchvisionNetwork:
    network = TorchvisionNetwork("torchvision:mobilenet_v3_small", 10, 0.0)
    measure_normalisations(network, torch.rand(16, 3, 64, 64))
    nn.init.normal_(network.output.weight, std=0.05)
    return network


@pytest.mark.parametrize(
    ("build", "size", "width"),
    [
        *((ReferenceCNN, 32, 32), (StrongCNN, 32, 32), (StrongCNN, 32, 41), (StrongCNN, 32, 64)),
        (build_mobilenet, 64, 82),
    ],
)
def test_a_graph_computes_what_its_network_does(
    build: Callable[[], Network], size: int, width: int
) -> None:
    torch.manual_seed(0)
    network, pixels = build().eval(), PIXELS[:, :size, :width]
    means = torch.randn(11, network.output.in_features)
    probabilities, scores = OnnxEngine(export_network(network, means, size)).compute(pixels)
    np.testing.assert_allclose(probabilities, probabilities_in_pytorch(network, pixels), atol=1e-5)
    with torch.inference_mode():
        images = to_unit_range(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        expected = OodScore(means)(network.embed(images))
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("answer", [0.2, np.nan])
def test_a_graph_that_answers_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, answer: float
) -> None:
    def compute(_: OnnxEngine, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full((len(pixels), 10), answer), np.zeros(len(pixels))

    monkeypatch.setattr(OnnxEngine, "compute", compute)
    with pytest.raises(ValueError, match="off by"):
        export_network(ReferenceCNN().eval(), torch.eye(10, 128), 32)
