"""What the training benchmark makes of its measurements, and one real run of ours."""

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.training.__main__ import COMMAND, Run, make_parts

MEBIBYTE = 2**20


def test_the_table_holds_every_program_and_the_ratios_of_ours() -> None:
    ours = Run([6, 2, 4], [0.5, 0.66, 0.7], 100 * MEBIBYTE, "fp32")
    keras = Run([30, 20, 30], [0.4, 0.6, 0.65], 400 * MEBIBYTE, "fp32")
    text = make_parts({"ours": ours, "keras": keras})[0]
    # An epoch is one after the first, which warms up.
    assert "| ours, recipe `tuned` | 3.0 (0.12) | 100 MiB (0.25) | 8 (0.10) | 70.00 % |" in text
    assert "| the original, Keras on TensorFlow | 25.0 | 400 MiB | > 80 | 65.00 % |" in text


def test_ours_runs(make_image_folder: Callable[..., Path], tmp_path: Path) -> None:
    output = tmp_path / "trial.md"
    arguments = ["--data", str(make_image_folder()), "--only", "ours-original", "--epochs", "2"]
    assert COMMAND.run([*arguments, "--output", str(output)]) == 0
    document = json.loads(output.with_suffix(".json").read_text())
    assert document["facts"]["images"].startswith("22 to train, 2 to validate")
    run = document["runs"]["ours-original"]
    assert len(run["seconds"]) == len(run["accuracies"]) == 2
    assert run["peak_memory"] > 100 * MEBIBYTE
