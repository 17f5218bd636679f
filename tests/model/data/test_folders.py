import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import model.data.cifar10
import model.data.decoded_cache
from model.data.cifar10 import load_cifar10
from model.data.dataset import DataError
from model.data.folders import load_folders
from model.images.preprocessing import prepare
from tests.helpers.pictures import encode

MakeFolder = Callable[..., Path]


def decode(file: Path) -> torch.Tensor:
    return torch.from_numpy(prepare(file.read_bytes(), 32).pixels).permute(2, 0, 1)


@pytest.fixture
def folder(make_image_folder: MakeFolder) -> Path:
    return make_image_folder(images_per_class=3)


def forbid_decoding(*_arguments: object) -> None:
    pytest.fail("the images were decoded again")


def test_folders_become_labelled_pixels(folder: Path) -> None:
    dataset = load_folders(folder, 32)
    assert dataset["train"].class_names == ("night", "snow")
    assert dataset["train"].labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset["train"].pixels.shape == (6, 3, 32, 32)
    assert dataset["test"].names[5] == "test/snow/002.png"
    assert torch.equal(dataset["test"].pixels[5], decode(folder / dataset["test"].names[5]))


def test_the_second_start_reads_the_cache_however_the_folder_is_spelt(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_folders(folder, 32)
    cached = np.load(folder / ".decoded" / "train-32.npy")
    assert np.array_equal(cached, first["train"].pixels.numpy())
    monkeypatch.setattr(model.data.decoded_cache, "prepare", forbid_decoding)
    monkeypatch.chdir(folder.parent)
    second = load_folders(Path(folder.name), 32)
    assert torch.equal(first["train"].pixels, second["train"].pixels)
    assert torch.equal(first["test"].labels, second["test"].labels)


@pytest.mark.parametrize("change", ["rename", "touch"])
def test_the_cache_notices_that_the_data_changed(folder: Path, change: str) -> None:
    load_folders(folder, 32)
    file = folder / "train" / "snow" / "001.png"
    if change == "rename":
        file.rename(file.parent / "zzz.png")
    else:
        black = encode(Image.new("RGB", (32, 32)))
        file.write_bytes(black + bytes(file.stat().st_size - len(black)))
    again = load_folders(folder, 32)["train"]
    files = sorted((folder / "train").glob("*/*.png"))
    assert torch.equal(again.pixels, torch.stack([decode(path) for path in files]))


def test_a_damaged_cache_is_made_again(folder: Path) -> None:
    pixels = load_folders(folder, 32)["train"].pixels
    for damage in (b"", b"damaged"):
        (folder / ".decoded" / "train-32.npy").write_bytes(damage)
        assert torch.equal(load_folders(folder, 32)["train"].pixels, pixels)


def test_what_a_killed_start_has_left_is_removed(folder: Path) -> None:
    (folder / ".decoded").mkdir()
    left, written = (folder / ".decoded" / f"train-32.{name}.partial" for name in ("left", "new"))
    left.touch()
    os.utime(left, (0, 0))
    written.touch()
    load_folders(folder, 32)
    assert [*(folder / ".decoded").glob("*.partial")] == [written]


def test_without_room_for_the_pixels_nothing_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=6 * 3072 - 1))
    monkeypatch.setattr(model.data.decoded_cache, "prepare", forbid_decoding)
    with pytest.raises(DataError, match="TMPDIR"):
        load_folders(folder, 32)


def test_data_that_cannot_be_written_beside_is_used_without_a_cache(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".decoded").write_text("a file in the cache's place")
    train = load_folders(folder, 32)["train"]
    assert torch.equal(train.pixels[5], decode(folder / "train/snow/002.png"))
    assert "not kept" in capsys.readouterr().err


def test_unreadable_files_are_listed_and_can_be_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = load_folders(folder, 32)["train"]
    (folder / "train" / "night" / "000.png").write_bytes(b"not a picture")
    (folder / "train" / "snow" / "gone.png").symlink_to(folder / "nowhere.png")
    for _ in ("decoded", "from the cache"):
        with pytest.raises(DataError, match=r"2 of 7 files.*--skip-unreadable"):
            load_folders(folder, 32)
        listed = capsys.readouterr().err.splitlines()
        assert len(listed) == 2
        assert str(folder / "train" / "night" / "000.png") in listed[0]
        assert f"{folder}/train/snow/gone.png: The file can't be opened" in listed[1]
        train = load_folders(folder, 32, skip_unreadable=True)["train"]
        assert torch.equal(train.pixels, good.pixels[1:])
        assert train.labels.tolist() == [0, 0, 1, 1, 1]
        assert "2 of 7 files can't be read as pictures and are left out" in capsys.readouterr().err


def test_a_class_of_which_nothing_is_readable_is_named(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=1)
    (folder / "train" / "snow" / "000.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"without a readable picture .*: snow"):
        load_folders(folder, 32, skip_unreadable=True)


@pytest.mark.parametrize("layout", ["train only", "flat"])
def test_without_a_test_folder_a_fifth_of_every_class_is_held_out_and_announced(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    folder = make_image_folder(images_per_class=10)
    shutil.rmtree(folder / "test")
    if layout == "flat":
        folder = folder / "train"
    dataset = load_folders(folder, 32)
    assert torch.bincount(dataset["train"].labels).tolist() == [8, 8]
    assert torch.bincount(dataset["test"].labels).tolist() == [2, 2]
    assert "4 of its 20 images" in capsys.readouterr().out
    for file, pixels in zip(dataset["test"].names, dataset["test"].pixels, strict=True):
        assert torch.equal(decode(folder / file), pixels)
    assert torch.equal(load_folders(folder, 32)["test"].pixels, dataset["test"].pixels)


def test_a_class_that_is_too_small_to_be_split_is_named(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=5) / "train"
    for number in range(3):
        (folder / "snow" / f"{number:03}.png").unlink()
    with pytest.raises(DataError, match=r"at least 3.*snow \(2\)"):
        load_folders(folder, 32)


def test_a_validation_folder_is_the_validation_split(folder: Path) -> None:
    shutil.copytree(folder / "test", folder / "valid")
    dataset = load_folders(folder, 32)
    assert torch.equal(dataset["validation"].pixels, dataset["test"].pixels)
    assert dataset["validation"].names[5] == "valid/snow/002.png"
    shutil.rmtree(folder / "valid" / "snow")
    with pytest.raises(
        DataError, match=r"train and validation splits .* only one of them has snow"
    ):
        load_folders(folder, 32)


@pytest.mark.parametrize(
    ("file", "message"),
    [("train/owl/a.png", "single class"), ("test/owl/a.png", "no train/"), ("owl/a.png", "single")],
)
def test_a_single_class_cannot_be_trained(
    tmp_path: Path, png: bytes, file: str, message: str
) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_bytes(png)
    with pytest.raises(DataError, match=message):
        load_folders(tmp_path, 32)


@pytest.mark.parametrize("name", ["می‌خواهم", "क्‍ष", "👩‍🔬 lab", "ice\u3000bear", "a\xa0b"])
def test_names_in_every_script_are_classes(folder: Path, name: str) -> None:
    for split in ("train", "test"):
        (folder / split / "snow").rename(folder / split / name)
    assert name in load_folders(folder, 32)["train"].class_names


@pytest.mark.parametrize("name", ["bell\x07", "two\nlines", "line\u2028", "\udcff", "\u202eleft"])
def test_names_that_cannot_be_shown_are_refused(folder: Path, name: str) -> None:
    (folder / "train" / "snow").rename(folder / "train" / name)
    with pytest.raises(DataError, match="can't be printed"):
        load_folders(folder, 32)


def test_names_in_other_normal_forms_are_the_same_class(folder: Path) -> None:
    for split, name in (("train", "cafe\u0301"), ("test", "caf\xe9")):
        (folder / split / "snow").rename(folder / split / name)
    assert load_folders(folder, 32)["train"].class_names == ("caf\xe9", "night")


def test_cifar10_from_torchvision_is_read_as_folders_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The download itself needs the network; what follows it is torchvision's arrays, as here."""
    expected = load_folders(folder, 32)

    def downloaded(_root: str, *, train: bool, download: bool) -> SimpleNamespace:
        split = expected["train"] if train and download else expected["test"]
        data = split.pixels.permute(0, 2, 3, 1).contiguous().numpy()
        return SimpleNamespace(data=data, targets=split.labels.tolist(), classes=["night", "snow"])

    monkeypatch.setattr(model.data.cifar10, "CIFAR10", downloaded)
    for name, images in load_cifar10(folder).items():
        assert images.class_names == expected[name].class_names
        assert torch.equal(images.pixels, expected[name].pixels)
        assert torch.equal(images.labels, expected[name].labels)


def test_without_a_network_the_download_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
        monkeypatch.setenv(variable.upper(), "http://127.0.0.1:9")
    with pytest.raises(DataError, match="--data DIR"):
        load_cifar10(tmp_path)


@pytest.mark.parametrize("name", [".thumbnails", "@eaDir", "__MACOSX", "lost+found"])
def test_what_computers_leave_behind_is_neither_a_class_nor_an_image(
    folder: Path, name: str
) -> None:
    (folder / "train" / "snow" / ".DS_Store").write_bytes(os.urandom(10))
    (folder / "train" / name).mkdir()
    shutil.copytree(folder / "train" / "snow", folder / "train" / "night" / name)
    train = load_folders(folder, 32)["train"]
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_no_link_leads_to_the_same_picture_again(folder: Path, tmp_path: Path) -> None:
    night, elsewhere = folder / "train" / "night", tmp_path / "elsewhere"
    shutil.copytree(folder / "test" / "snow", elsewhere / "more")
    for name, target in {
        "loop": night,
        "up": folder,
        "beside": folder / "train" / "snow",
        "x": elsewhere,
        "y": elsewhere / "more",
    }.items():
        (night / name).symlink_to(target, target_is_directory=True)
    dataset = load_folders(folder, 32)
    assert torch.bincount(dataset["train"].labels).tolist() == [6, 3]
    assert dataset["train"].names[3] == "train/night/x/more/000.png"


def test_a_picture_in_two_splits_is_noted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_folders(folder, 32)
    assert "note:" not in capsys.readouterr().out
    shutil.copy(folder / "train/snow/000.png", folder / "test/night/copy.png")
    shutil.copytree(folder / "test", folder / "val")
    load_folders(folder, 32)
    note = capsys.readouterr().out.partition("note: ")[2]
    assert note.startswith("8 of the 14 images")
    assert "val/night/copy.png, which equals train/snow/000.png" in note
    shutil.rmtree(folder / "test")
    shutil.rmtree(folder / "val")
    for file in [*(folder / "train" / "night").iterdir()]:
        shutil.copy(file, file.with_suffix(".copy.png"))
    load_folders(folder, 32)
    assert "1 of the 2 images" in capsys.readouterr().out


def test_a_class_that_is_much_smaller_is_noted(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_image_folder(images_per_class=21)
    for file in sorted((folder / "train" / "snow").iterdir())[2:]:
        file.unlink()
    load_folders(folder, 32)
    assert "night has 21 training images, and snow has 2; --class" in capsys.readouterr().out
    (folder / "train" / "night" / "000.png").unlink()
    load_folders(folder, 32)
    assert "note:" not in capsys.readouterr().out
