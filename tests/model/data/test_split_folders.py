from pathlib import Path

import pytest

from model.data.dataset import DataError
from model.data.split_folders import find_splits


def write_tree(folder: Path, files: str) -> None:
    for name in files.split():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


@pytest.mark.parametrize(
    ("files", "splits", "aside"),
    [
        ("train/cat/1.png", {"train": "train"}, ""),
        (
            "Training/cat/1.png testset/cat/1.png VALID/cat/1.png",
            {"train": "Training", "test": "testset", "validation": "VALID"},
            "",
        ),
        (
            "seg_train/seg_train/cat/1.png seg_test/seg_test/cat/1.png seg_pred/seg_pred/1.png",
            {"train": "seg_train/seg_train", "test": "seg_test/seg_test"},
            "seg_pred/",
        ),
        ("train/cat/1.png test/1.png", {"train": "train"}, "test/"),
        (
            "train2017/cat/1.png val2017/cat/1.png new/1.png labels/train/1.txt __MACOSX/cat/1.png",
            {"train": "train2017", "validation": "val2017"},
            "labels/, new/",
        ),
        ("train/1.png snow/1.png", {"all": ""}, ""),
        ("valid/1.png invalid/1.png", {"all": ""}, ""),
    ],
)
def test_split_folders_are_known_by_their_names_and_class_folders(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: str,
    splits: dict[str, str],
    aside: str,
) -> None:
    write_tree(tmp_path, files)
    assert find_splits(tmp_path) == splits
    printed = capsys.readouterr().out.strip()
    assert printed.partition("; left aside: ")[2] == aside
    for split, folder in splits.items():
        assert (f"{folder}/ is the {split} split" in printed) == (split != "all")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("photo.png .hidden/1.png @eaDir/1.png", "no class folders"),
        ("Train/1.png Test/1.png pred/1.png", "Test/, Train/, pred/, which are named like splits"),
        ("train/cat/1.png val/cat/1.png dev/cat/1.png", "two folders for the validation split"),
        ("train/cat/1.png test/cat/1.png cat/2.png", "named like splits, test/, train/.* cat/"),
        ("train/cat/1.png test/cat/1.png more/cat/2.png", "others with pictures, more/"),
        ("train/ice/1.png car/1.png plane/1.png", "others with pictures, car/, plane/"),
    ],
)
def test_folders_that_can_be_meant_in_two_ways_are_refused(
    tmp_path: Path, files: str, message: str
) -> None:
    write_tree(tmp_path, files)
    with pytest.raises(DataError, match=rf"{message}.*--data needs|{message}.*away"):
        find_splits(tmp_path)
