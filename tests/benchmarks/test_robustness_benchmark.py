"""The benchmark on corrupted pictures: on one picture, and on a small tree with a model of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.pictures import ship
from benchmarks.robustness.__main__ import COMMAND
from benchmarks.robustness.corruptions import NAMES, corrupt
from tests.helpers.training import FinishedRun


@pytest.mark.parametrize("name", NAMES)
def test_a_corruption_grows_with_its_severity_and_is_the_same_every_time(name: str) -> None:
    picture = np.asarray(ship().resize((32, 32)))
    pixels = np.stack([picture, picture.transpose(1, 0, 2)])
    corrupted = [corrupt(pixels, name, severity) for severity in range(1, 6)]
    for each in corrupted:
        assert each.dtype == np.uint8
        assert each.shape == pixels.shape
    changes = [np.abs(each.astype(int) - pixels).mean() for each in corrupted]
    # The first two severities of saturate take saturation away, and the others add some.
    parts = [changes[:2], changes[2:]] if name == "saturate" else [changes]
    for part in parts:
        assert 0 < part[0] < part[-1]
        assert (np.diff(part) >= 0).all()
    np.testing.assert_array_equal(corrupt(pixels, name, 5), corrupted[4])


@pytest.mark.parametrize("severity", [0, 6])
def test_there_are_five_severities(severity: int) -> None:
    with pytest.raises(KeyError):
        corrupt(np.zeros((1, 32, 32, 3), np.uint8), "contrast", severity)


def test_models_are_shown_side_by_side(finished_run: FinishedRun, tmp_path: Path) -> None:
    output = tmp_path / "trial.md"
    run = str(finished_run.path)
    options = ["--data", str(finished_run.pictures), "--limit", "10", "--models", run, run]
    assert COMMAND.run([*options, "--output", str(output)]) == 0
    first, second = json.loads(output.with_suffix(".json").read_text())["results"]
    assert first == second
    measured = first["measured"]
    assert len(measured) == 1 + 5 * len(NAMES)
    noise = [one for one in measured if one["corruption"] == "gaussian noise"]
    accuracy = np.mean([one["accuracy"] for one in noise])
    error = np.mean([one["expected calibration error"] for one in noise])
    text = output.read_text()
    assert f"| gaussian noise |{f' {accuracy:.1%} | {error:.1%} |' * 2}".replace("%", " %") in text
    for title in ("none", "mean of the corruptions", *NAMES, *"12345"):
        assert text.count(f"\n| {title} | ") == 1
    assert "10 of 24 test images, in float32" in text
