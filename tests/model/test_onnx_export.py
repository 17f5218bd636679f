import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.onnx_export import export
from model.onnx_net import OnnxNet
from model.preprocessing import to_unit_range
from model.reference_cnn import ReferenceCNN

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 32, 32, 3), np.uint8)


class Residual(nn.Module):
    """A net that is no chain: what a dead unit gives can't be added to one next layer."""

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


def make_net(*, dead: bool, first_dead: int = 3) -> nn.Module:
    torch.manual_seed(0)
    net = ReferenceCNN(num_classes=7).eval()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.5, 0.5)
            elif dead and not name.startswith("output"):
                parameter[first_dead:] = 0
    return net


def pytorchs(net: nn.Module) -> NDArray[np.float32]:
    pixels = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    with torch.inference_mode():
        probabilities: NDArray[np.float32] = net(to_unit_range(pixels)).softmax(dim=1).numpy()
    return probabilities


def steps(graph: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(graph).graph.node]


@pytest.mark.parametrize("dead", [False, True])
def test_a_graph_computes_what_its_net_does(*, dead: bool) -> None:
    net = make_net(dead=dead)
    graph = export(net, 32)
    answers = OnnxNet(graph).probabilities(PIXELS)
    np.testing.assert_allclose(answers, pytorchs(net), atol=1e-5, rtol=0)


def test_a_net_that_is_dead_altogether_is_exported() -> None:
    net = make_net(dead=True, first_dead=0)
    answers = OnnxNet(export(net, 32)).probabilities(PIXELS)
    np.testing.assert_allclose(answers, pytorchs(net), atol=1e-5, rtol=0)


def test_dead_units_and_the_division_are_not_in_the_graph() -> None:
    small, large = export(make_net(dead=True), 32), export(make_net(dead=False), 32)
    assert len(small) < len(large) / 10
    assert "Div" not in steps(large)


def test_a_net_that_is_no_chain_is_exported_as_it_is() -> None:
    torch.manual_seed(0)
    net = Residual().eval()
    answers = OnnxNet(export(net, 32)).probabilities(PIXELS)
    np.testing.assert_allclose(answers, pytorchs(net), atol=1e-5, rtol=0)


def test_exporting_leaves_the_net_as_it_was() -> None:
    net = make_net(dead=True)
    before = pytorchs(net)
    export(net, 32)
    assert np.array_equal(pytorchs(net), before)


def test_a_graph_that_computes_something_else_is_refused() -> None:
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="off by"):
        export(Doubled().eval(), 32)


def test_a_graph_of_no_numbers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference that is no number is no small one."""
    monkeypatch.setattr(
        OnnxNet, "probabilities", lambda _, pixels: np.full((len(pixels), 7), np.nan)
    )
    with pytest.raises(ValueError, match="off by nan"):
        export(make_net(dead=False), 32)
