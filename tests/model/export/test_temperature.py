import zipfile

import numpy as np

from model.evaluation.calibration import apply_temperature
from model.export.temperature import set_temperature
from model.inference import GRAPH_FILE_NAME
from model.inference.engine import OnnxEngine
from tests.helpers.pictures import SHIPPED_ARCHIVE


def test_the_temperature_of_a_graph_scales_its_probabilities() -> None:
    graph = zipfile.Path(SHIPPED_ARCHIVE, GRAPH_FILE_NAME).read_bytes()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    before = OnnxEngine(graph).probabilities(pixels).astype(float)
    twice = set_temperature(graph, 2.0)
    after = OnnxEngine(twice).probabilities(pixels)
    np.testing.assert_allclose(after, apply_temperature(before, 2.0), atol=1e-6)
