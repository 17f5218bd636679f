"""What the training benchmark makes of its measurements, and one real run of ours and a peer."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.training.__main__ import COMMAND, make_report, summarise
from benchmarks.training.programs import Epoch, Run

MEBIBYTE = 2**20


def make_run(*measured: tuple[float, float], memory: int = 100 * MEBIBYTE) -> Run:
    return Run([Epoch(index, *one) for index, one in enumerate(measured, start=1)], memory)


FAST = make_run((6, 0.5), (2, 0.66), (4, 0.7))
SLOW = make_run((30, 0.4), (20, 0.6), (20, 0.68), memory=400 * MEBIBYTE)
NEVER = make_run((50, 0.3), (40, 0.5), (30, 0.65), memory=200 * MEBIBYTE)


def test_rounds_come_to_their_medians() -> None:
    summary = summarise([FAST, SLOW, NEVER])
    # Of all epochs but the first, which warms up.
    assert summary.epoch_seconds == 20
    assert summary.peak_memory == 200 * MEBIBYTE
    assert summary.seconds_to_target == summary.training_seconds == 70
    assert summary.accuracy == 0.68
    assert summarise([make_run((9, 0))]).epoch_seconds == 9


def test_the_tables_hold_every_program_and_every_pair() -> None:
    options = COMMAND.parse(["--output", "trial.md"])
    runs = {"ours": [FAST], "keras": [NEVER]}
    names = ["ours", "keras", "ours-original"]
    report = make_report(options, (45_000, 5_000), names, runs, {"ours-original": "it ended"})
    text = report.to_markdown()
    assert "| ours, recipe `tuned` | 3.0 (0.09) | 100 MiB (0.50) | 8 | 70.00 % |" in text
    assert (
        "| the original, Keras on TensorFlow | 35.0 | 200 MiB | never (120 s) | 65.00 % |" in text
    )
    assert "| ours, recipe `original` | failed |" in text
    report = make_report(options, (45_000, 5_000), names, {"ours": [FAST], "keras": [SLOW]}, {})
    assert "| 3.0 (0.15) | 100 MiB (0.25) | 8 (0.11) | 70.00 % |" in report.to_markdown()


def test_both_recipes_run(
    make_image_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_image_folder()
    output = folder.parent / "trial.md"
    arguments = ["--data", folder, "--only", "ours", "ours-original", "--epochs", 1, "--limit", 8]
    assert COMMAND.run([*map(str, arguments), "--output", str(output)]) == 0
    assert capsys.readouterr().out.count("epoch  1 ") == 2
    document = json.loads(output.with_suffix(".json").read_text())
    assert document["facts"]["images"].startswith("8 to train, 2 to validate")
    for name in ("ours", "ours-original"):
        (run,) = document["runs"][name]
        assert [epoch["epoch"] for epoch in run["epochs"]] == [1]
        assert run["peak_memory"] > 100 * MEBIBYTE
