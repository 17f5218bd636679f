"""The benchmark on photographs: a small tree, and the shipped archive."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.common.pictures import SHIP, encode
from benchmarks.photographs.__main__ import COMMAND
from tests.helpers.pictures import SHIPPED_ARCHIVE


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A ship that is right, one that is wrong, a stranger, and files that are no pictures."""
    files = {
        "README": b"Photographs",
        "ours/README": b"More photographs",
        "ours/ship/2025/ship.png": SHIP.read_bytes(),
        "ours/ship/torn.png": SHIP.read_bytes()[:500],
        "ours/cat/wrong & wide.png": encode(Image.open(SHIP).resize((640, 240))),
        "others/grey.png": encode(Image.new("RGB", (50, 90), "grey")),
    }
    for name, content in files.items():
        file = tmp_path / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path / "tree"


def test_models_are_shown_side_by_side(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "results" / "trial.md"
    options = ["--strangers", "others", "--models", *[str(SHIPPED_ARCHIVE)] * 2]
    assert COMMAND.run([str(tree), *options, "--output", str(output)]) == 0
    text = output.read_text()
    for name, figure in {
        "right": "50.0 % (1 of 2)",
        "… 95 % interval": "9.5 % to 90.5 %",
        "AUROC of strangers": "1.000",
        "cat": "0.0 % (0 of 1)",
    }.items():
        assert f"| {name} | {figure} | {figure} |" in text
    assert "- ours/ship/torn.png: The PNG image is damaged" in text
    result, _ = json.loads(output.with_suffix(".json").read_text())["results"]
    assert [one["file"] for one in result["strangers"]] == ["others/grey.png"]
    page = output.with_suffix(".html").read_text()
    assert page.count("<bdi>cat</bdi> → <strong><bdi>ship</bdi></strong>") == 2
    assert page.count("ours/cat/wrong &amp; wide.png") == 2
    assert "ship.png" not in page


@pytest.mark.parametrize(
    ("folder", "options", "message"),
    [
        ("", [], "others is none of the model's classes (airplane, "),
        ("ours", ["--strangers", "cat"], "has no cat beside the model's classes"),
        ("others", [], "has no readable picture in a folder named after a class"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    tree: Path, error_line: Callable[[], str], folder: str, options: list[str], message: str
) -> None:
    output = tree.parent / "trial.md"
    assert COMMAND.run([str(tree / folder), *options, "--output", str(output)]) == 2
    assert message in error_line()
    assert list(output.parent.glob("trial.*")) == []
