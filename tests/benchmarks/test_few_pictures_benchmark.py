from pathlib import Path

import pytest

from benchmarks.few_pictures.__main__ import COMMAND, draw_pictures, lay_out
from model.data.image_files import list_files


def test_pictures_of_a_draw_train_or_test_and_no_picture_does_both(
    pictures: Path, tmp_path: Path
) -> None:
    files = list_files(pictures, "train")
    chosen = draw_pictures(files, classes=2, pictures=5, draw=0)
    assert chosen == draw_pictures(files, classes=2, pictures=5, draw=0)
    assert chosen != draw_pictures(files, classes=2, pictures=5, draw=1)
    lay_out(chosen, pictures, 5, tmp_path)
    contents = {
        split: {file.resolve() for file in (tmp_path / split).glob("*/*")}
        for split in ("train", "test")
    }
    assert len(contents["train"]) == 10
    assert not contents["train"] & contents["test"]
    assert contents["train"] | contents["test"] == {
        file.resolve() for file in (pictures / "train").glob("*/*")
    }


def test_too_few_pictures_are_one_line(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(pictures / "train"), "--output", str(tmp_path / "result.md")]
    assert COMMAND.run(arguments) == 2
    assert "only 2 classes have more than 5 pictures" in capsys.readouterr().err
