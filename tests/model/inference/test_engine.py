import zipfile

import numpy as np
import pytest
from numpy.typing import NDArray

from model.inference import GRAPH_FILE_NAME
from model.inference.card import ModelCard
from model.inference.engine import OnnxEngine
from model.training.initial_network import load_trained_network
from tests.helpers.networks import probabilities_in_pytorch
from tests.helpers.pictures import SHIPPED_ARCHIVE


@pytest.fixture(scope="module")
def graph() -> bytes:
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as archive:
        return archive.read(GRAPH_FILE_NAME)


@pytest.fixture(scope="module")
def net(graph: bytes) -> OnnxEngine:
    return OnnxEngine(graph)


def random_pixels(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def test_the_shipped_graph_computes_what_pytorch_does(net: OnnxEngine) -> None:
    pixels = random_pixels(200)
    plain = np.stack([np.full((32, 32, 3), value, np.uint8) for value in (0, 1, 127, 254, 255)])
    network = load_trained_network(SHIPPED_ARCHIVE)
    temperature = ModelCard.load(SHIPPED_ARCHIVE).temperature
    for some in (pixels, plain):
        expected = probabilities_in_pytorch(network, some, temperature)
        np.testing.assert_allclose(net.compute(some)[0], expected, atol=1e-5, rtol=0)


def test_a_picture_gets_the_same_answer_in_a_batch(net: OnnxEngine) -> None:
    pixels = random_pixels(64)
    together = net.compute(pixels)[0]
    alone = np.concatenate([net.compute(each[None])[0] for each in pixels])
    assert together.shape == (64, 10)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-6, rtol=0)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_what_is_not_a_graph_is_refused(graph: bytes, damage: str) -> None:
    content = {"empty": b"", "cut": graph[: len(graph) // 2], "text": b"not a graph"}[damage]
    with pytest.raises(ValueError, match="can't be read"):
        OnnxEngine(content)
