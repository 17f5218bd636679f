from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.export.graph import export_network
from model.inference.engine import OnnxEngine
from model.networks.reference_cnn import ReferenceCNN
from tests.helpers.networks import probabilities_in_pytorch

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 32, 32, 3), np.uint8)


class Residual(nn.Module):
    """A network that is not a chain, with layers that the reference network has not."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.normalised = nn.BatchNorm2d(16)
        self.output = nn.Linear(16, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.first(images).relu()
        hidden = (hidden + self.normalised(self.second(hidden))).relu()
        logits: Tensor = self.output(hidden.mean(dim=(2, 3)))
        return logits


@pytest.mark.parametrize("build", [ReferenceCNN, Residual])
def test_a_graph_computes_what_its_network_does(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network = build().eval()
    answers = OnnxEngine(export_network(network, 32)).probabilities(PIXELS)
    np.testing.assert_allclose(answers, probabilities_in_pytorch(network, PIXELS), atol=1e-5)


@pytest.mark.parametrize("answer", [0.2, np.nan])
def test_a_graph_that_answers_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, answer: float
) -> None:
    monkeypatch.setattr(
        OnnxEngine, "probabilities", lambda _, pixels: np.full((len(pixels), 10), answer)
    )
    with pytest.raises(ValueError, match="off by"):
        export_network(ReferenceCNN().eval(), 32)
