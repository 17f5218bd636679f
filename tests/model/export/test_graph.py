from collections.abc import Callable

import numpy as np
import pytest
import torch

from model.export.graph import export_network
from model.inference.engine import OnnxEngine
from model.networks import Network
from model.networks.reference_cnn import ReferenceCNN
from model.networks.strong_cnn import StrongCNN
from tests.helpers.networks import probabilities_in_pytorch

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 32, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("build", "width"), [(ReferenceCNN, 32), (StrongCNN, 32), (StrongCNN, 41), (StrongCNN, 64)]
)
def test_a_graph_computes_what_its_network_does(build: Callable[[], Network], width: int) -> None:
    torch.manual_seed(0)
    network, pixels = build().eval(), PIXELS[:, :, :width]
    answers = OnnxEngine(export_network(network)).probabilities(pixels)
    np.testing.assert_allclose(answers, probabilities_in_pytorch(network, pixels), atol=1e-5)


@pytest.mark.parametrize("answer", [0.2, np.nan])
def test_a_graph_that_answers_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, answer: float
) -> None:
    monkeypatch.setattr(
        OnnxEngine, "probabilities", lambda _, pixels: np.full((len(pixels), 10), answer)
    )
    with pytest.raises(ValueError, match="off by"):
        export_network(ReferenceCNN().eval())
