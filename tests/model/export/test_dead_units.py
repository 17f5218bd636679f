from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from model.export.dead_units import UNITS_AT_ONCE, without_dead_units
from model.networks.reference_cnn import ReferenceCNN

ALIVE = 5


@pytest.fixture
def net() -> ReferenceCNN:
    """An untrained net with biases, so that a dead unit gives a constant other than zero."""
    torch.manual_seed(0)
    net = ReferenceCNN().eval()
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.uniform_(parameter, -0.5, 0.5)
    return net


@pytest.fixture
def images() -> Tensor:
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def kill(layer: nn.Conv2d | nn.Linear, units: slice) -> None:
    layer.weight[units] = 0


def widths(net: nn.Module) -> list[int]:
    return [len(each.weight) for each in net.modules() if isinstance(each, nn.Conv2d | nn.Linear)]


def assert_same(smaller: nn.Module, net: nn.Module, images: Tensor) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(smaller(images), net(images), atol=1e-5, rtol=1e-5)


def layers_of(net: ReferenceCNN) -> dict[str, nn.Conv2d | nn.Linear]:
    first, second = (each for each in net.features if isinstance(each, nn.Conv2d))
    return {"first": first, "second": second, "dense": net.dense}


def test_a_net_without_dead_units_stays_as_it_is(net: ReferenceCNN, images: Tensor) -> None:
    smaller = without_dead_units(net)
    assert widths(smaller) == widths(net) == [32, 64, 128, 10]
    assert_same(smaller, net, images)


@pytest.mark.parametrize("name", ["first", "second", "dense"])
@pytest.mark.parametrize(
    "choose",
    [
        lambda units: slice(0, units // 2),
        lambda _: slice(None, None, 2),
        lambda _: slice(ALIVE, None),
    ],
    ids=["first half", "every other", "all but five"],
)
def test_dead_units_are_left_out_and_the_answers_stay(
    net: ReferenceCNN, images: Tensor, name: str, choose: Callable[[int], slice]
) -> None:
    layer = layers_of(net)[name]
    kill(layer, choose(len(layer.weight)))
    alive = int(layer.weight.flatten(1).any(dim=1).sum())
    smaller = without_dead_units(net)
    kept = -(-max(1, alive) // UNITS_AT_ONCE) * UNITS_AT_ONCE
    assert sum(widths(net)) - sum(widths(smaller)) == len(layer.weight) - kept
    assert_same(smaller, net, images)


def test_a_class_that_is_dead_keeps_its_place(net: ReferenceCNN, images: Tensor) -> None:
    kill(net.output, slice(0, 3))
    smaller = without_dead_units(net)
    assert widths(smaller)[-1] == 10
    assert_same(smaller, net, images)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()],
        [nn.Conv2d(3, 33, 3, groups=3), nn.ReLU()],
        [nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU()],
        [nn.Conv2d(3, 32, 3), nn.Sigmoid()],
        [nn.Conv2d(3, 32, 3), nn.AvgPool2d(2)],
        [nn.Conv2d(3, 32, 3, bias=False), nn.ReLU()],
    ],
    ids=["padded", "in groups", "normalised", "sigmoid", "average", "no bias"],
)
def test_a_net_of_other_layers_is_refused(layers: list[nn.Module]) -> None:
    with pytest.raises(ValueError, match="constant"):
        without_dead_units(nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(2)))
