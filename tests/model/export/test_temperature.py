import shutil
from pathlib import Path

import numpy as np

from model.evaluation.calibration import apply_temperature
from model.export.temperature import set_temperature
from model.inference import GRAPH_FILE_NAME
from model.inference.engine import OnnxEngine
from tests.helpers.training import FinishedRun


def test_a_temperature_scales_what_a_graph_answers(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    graph = tmp_path / GRAPH_FILE_NAME
    shutil.copy(finished_run.path / GRAPH_FILE_NAME, graph)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    before = OnnxEngine(graph.read_bytes()).compute(pixels)[0].astype(float)
    set_temperature(tmp_path, 2.0)
    after = OnnxEngine(graph.read_bytes()).compute(pixels)[0]
    np.testing.assert_allclose(after, apply_temperature(before, 2.0), atol=1e-6)
