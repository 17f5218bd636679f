from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.export.graph import NEGLIGIBLE_WEIGHT, export_network
from model.inference.engine import OnnxEngine
from model.networks.reference_cnn import ReferenceCNN
from tests.helpers.networks import probabilities_in_pytorch

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 32, 32, 3), np.uint8)


class Residual(nn.Module):
    """A network that is not a chain: what a dead unit gives can't be added to one next layer."""

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


class Doubled(nn.Module):
    """A chain by its layers, but not by what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = nn.Sequential(
            nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 30 * 30, 4)
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.chain(images) * 3 + images.mean()
        return logits


def make_network(*, dead: bool) -> nn.Module:
    torch.manual_seed(0)
    network = ReferenceCNN(num_classes=7).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.5, 0.5)
            elif dead and not name.startswith("output"):
                parameter[3:] = 0
            parameter.view(-1)[:3] = torch.tensor([9e-13, -1e-40, 2 * NEGLIGIBLE_WEIGHT])
    return network


class Exported(NamedTuple):
    network: nn.Module
    expected: NDArray[np.float32]
    graph: bytes


def export(network: nn.Module) -> Exported:
    expected = probabilities_in_pytorch(network, PIXELS)
    return Exported(network, expected, export_network(network, 32))


@pytest.fixture(scope="module")
def alive() -> Exported:
    return export(make_network(dead=False))


@pytest.fixture(scope="module")
def dead() -> Exported:
    return export(make_network(dead=True))


@pytest.fixture(scope="module")
def residual() -> Exported:
    torch.manual_seed(0)
    return export(Residual().eval())


@pytest.mark.parametrize("name", ["alive", "dead", "residual"])
def test_a_graph_computes_what_its_network_did_and_does(
    request: pytest.FixtureRequest, name: str
) -> None:
    network, expected, graph = request.getfixturevalue(name)
    answers = OnnxEngine(graph).probabilities(PIXELS)
    np.testing.assert_allclose(answers, expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(probabilities_in_pytorch(network, PIXELS), expected, atol=1e-6)


def test_dead_units_and_the_division_are_not_in_the_graph(alive: Exported, dead: Exported) -> None:
    assert len(dead.graph) < len(alive.graph) / 10
    steps = [node.op_type for node in onnx.load_from_string(alive.graph).graph.node]
    assert "Conv" in steps
    assert "Div" not in steps


def test_weights_too_small_to_matter_become_zero(alive: Exported) -> None:
    for parameter in alive.network.parameters():
        assert parameter.view(-1)[:2].tolist() == [0, 0]
        assert parameter.view(-1)[2] != 0


def test_a_graph_that_computes_something_else_is_refused() -> None:
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="off by"):
        export_network(Doubled().eval(), 32)


def test_a_graph_that_answers_nan_is_refused(
    alive: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference that is not a number is not a small one."""
    program = SimpleNamespace(model_proto=onnx.load_from_string(alive.graph))
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: program)
    monkeypatch.setattr(
        OnnxEngine, "probabilities", lambda _, pixels: np.full((len(pixels), 7), np.nan)
    )
    with pytest.raises(ValueError, match="off by nan"):
        export_network(make_network(dead=False), 32)
