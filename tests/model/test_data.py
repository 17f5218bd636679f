import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import model.data
import model.image_files
from model.data import load_cifar10, load_folders
from model.data_error import DataError
from model.preprocessing import preprocess
from tests.conftest import encode

MakeFolder = Callable[..., Path]


def forbid_decoding(*_arguments: object) -> None:
    pytest.fail("the images were decoded again")


def test_folders_become_labelled_pixels(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=3)
    dataset = load_folders(folder, 32)
    assert dataset.class_names == ("night", "snow")
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.train.pixels.shape == (6, 3, 32, 32)
    expected = preprocess((folder / "test" / "snow" / "002.png").read_bytes(), 32)
    assert torch.equal(dataset.test.pixels[5], expected)


def test_the_second_start_reads_the_cache(
    make_image_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_image_folder(images_per_class=3)
    first = load_folders(folder, 32)
    monkeypatch.setattr(model.image_files, "preprocess", forbid_decoding)
    second = load_folders(folder, 32)
    assert torch.equal(first.train.pixels, second.train.pixels)
    assert torch.equal(first.test.labels, second.test.labels)


def test_the_cache_holds_however_the_folder_is_spelt(
    make_image_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_image_folder(images_per_class=3)
    load_folders(folder, 32)
    monkeypatch.setattr(model.image_files, "preprocess", forbid_decoding)
    monkeypatch.chdir(folder.parent)
    assert len(load_folders(Path(folder.name), 32).train) == 6


@pytest.mark.parametrize("change", ["edit", "add", "remove", "rename", "touch"])
def test_the_cache_notices_that_the_data_changed(
    make_image_folder: MakeFolder, change: str
) -> None:
    folder = make_image_folder(images_per_class=3)
    load_folders(folder, 32)
    file = folder / "train" / "snow" / "001.png"
    black = encode(Image.new("RGB", (32, 32)))
    status = file.stat()
    if change == "edit":
        file.write_bytes(black)
    elif change == "add":
        (file.parent / "009.png").write_bytes(black)
    elif change == "remove":
        file.unlink()
    elif change == "rename":
        file.rename(file.parent / "zzz.png")
    else:
        file.write_bytes(black + bytes(status.st_size - len(black)))
        assert file.stat().st_size == status.st_size
    again = load_folders(folder, 32).train
    files = sorted((folder / "train").glob("*/*.png"))
    expected = torch.stack([preprocess(path.read_bytes(), 32) for path in files])
    assert torch.equal(again.pixels, expected)


@pytest.mark.parametrize("damage", [b"", b"damaged"])
def test_a_damaged_cache_is_made_again(make_image_folder: MakeFolder, damage: bytes) -> None:
    folder = make_image_folder(images_per_class=3)
    first = load_folders(folder, 32)
    (folder / ".decoded" / "train-32.npy").write_bytes(damage)
    assert torch.equal(load_folders(folder, 32).train.pixels, first.train.pixels)


def test_data_that_cannot_be_written_beside_is_used_without_a_cache(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_image_folder(images_per_class=3)
    (folder / ".decoded").write_text("a file in the cache's place")
    assert len(load_folders(folder, 32).train) == 6
    assert "not kept" in capsys.readouterr().err


def test_unreadable_files_are_listed_and_the_data_refused(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_image_folder(images_per_class=3)
    damage_two_files(folder)
    for _ in ("decoded", "from the cache"):
        with pytest.raises(DataError, match=r"2 of 7 files.*--skip-unreadable"):
            load_folders(folder, 32)
        listed = capsys.readouterr().err.splitlines()
        assert len(listed) == 2
        assert str(folder / "train" / "night" / "000.png") in listed[0]
        assert str(folder / "train" / "snow" / "notes.txt") in listed[1]


def test_unreadable_files_can_be_left_out(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_image_folder(images_per_class=3)
    good = load_folders(folder, 32).train
    damage_two_files(folder)
    for _ in ("decoded", "from the cache"):
        train = load_folders(folder, 32, skip_unreadable=True).train
        assert torch.equal(train.pixels, good.pixels[1:])
        assert train.labels.tolist() == [0, 0, 1, 1, 1]
        assert "2 of 7 files can't be read as pictures and are left out" in capsys.readouterr().err


def test_a_file_that_cannot_be_opened_is_unreadable(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_image_folder(images_per_class=3)
    (folder / "train" / "snow" / "gone.png").symlink_to(folder / "nowhere.png")
    with pytest.raises(DataError, match="1 of 7"):
        load_folders(folder, 32)
    assert "gone.png: The file can't be opened" in capsys.readouterr().err


def test_a_class_of_which_nothing_is_readable_is_named(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=1)
    (folder / "train" / "snow" / "000.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"no readable picture .*: snow"):
        load_folders(folder, 32, skip_unreadable=True)


def damage_two_files(folder: Path) -> None:
    (folder / "train" / "night" / "000.png").write_bytes(b"no picture")
    (folder / "train" / "snow" / "notes.txt").write_text("of the photographer")


@pytest.mark.parametrize("layout", ["train only", "flat"])
def test_without_a_test_folder_a_fifth_of_every_class_is_held_out_and_said(
    make_image_folder: MakeFolder, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    folder = make_image_folder(images_per_class=10)
    shutil.rmtree(folder / "test")
    if layout == "flat":
        folder = folder / "train"
    dataset = load_folders(folder, 32)
    assert torch.bincount(dataset.train.labels).tolist() == [8, 8]
    assert torch.bincount(dataset.test.labels).tolist() == [2, 2]
    assert "4 of its 20 images" in capsys.readouterr().out
    for file, pixels in zip(dataset.test_files, dataset.test.pixels, strict=True):
        assert torch.equal(preprocess((folder / file).read_bytes(), 32), pixels)
    assert torch.equal(load_folders(folder, 32).test.pixels, dataset.test.pixels)
    held_out = {tuple(image.flatten().tolist()) for image in dataset.test.pixels}
    assert not held_out & {tuple(image.flatten().tolist()) for image in dataset.train.pixels}


def test_the_files_of_a_test_folder_are_known(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=2)
    expected = ("test/night/000.png", "test/night/001.png", "test/snow/000.png")
    assert load_folders(folder, 32).test_files[:3] == expected


def test_a_test_folder_can_be_read_alone(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=2)
    shutil.rmtree(folder / "train")
    shutil.rmtree(folder / "test" / "night")
    dataset = load_folders(folder, 32, test_alone=True)
    assert (len(dataset.train), len(dataset.test)) == (0, 2)
    assert dataset.class_names == ("snow",)


def test_a_class_called_train_is_a_class(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=4) / "train"
    (folder / "night").rename(folder / "train")
    assert load_folders(folder, 32).class_names == ("snow", "train")


def test_a_class_that_is_too_small_to_be_split_is_named(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=5) / "train"
    for number in range(3):
        (folder / "snow" / f"{number:03}.png").unlink()
    with pytest.raises(DataError, match=r"at least 3.*snow \(2\)"):
        load_folders(folder, 32)


def test_a_thousand_classes_of_many_formats_and_sizes(tmp_path: Path) -> None:
    formats = (("PNG", "L"), ("JPEG", "RGB"), ("GIF", "P"), ("WEBP", "RGBA"), ("BMP", "1"))
    for number in range(1000):
        image_format, mode = formats[number % len(formats)]
        folder = tmp_path / f"class {number:04}"
        folder.mkdir()
        for index in range(3 + number % 2):
            image = Image.new(mode, (20 + index, 40 - index))
            (folder / f"{index}.file").write_bytes(encode(image, image_format))
    dataset = load_folders(tmp_path, 32)
    assert len(dataset.class_names) == 1000
    assert torch.bincount(dataset.test.labels).min() == 1
    assert torch.bincount(dataset.train.labels).min() >= 2


def test_a_dry_run_reads_a_few_images_of_each_class_and_leaves_the_cache_alone(
    make_image_folder: MakeFolder,
) -> None:
    folder = make_image_folder(images_per_class=9)
    dataset = load_folders(folder, 32, images_per_class=2)
    assert torch.bincount(dataset.train.labels).tolist() == [2, 2]
    assert torch.bincount(dataset.test.labels).tolist() == [2, 2]
    assert not (folder / ".decoded").exists()


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "no class folders"),
        (["train", "test"], "single class"),
        (["test/owl", "test/cat"], "test/ folder but no train/"),
        (["owl"], "single class"),
        (["owl", "cat\x07"], "can't be printed"),
    ],
)
def test_a_tree_that_is_none_is_refused(
    make_image_folder: MakeFolder, tmp_path: Path, folders: list[str], message: str
) -> None:
    picture = (make_image_folder() / "train" / "snow" / "000.png").read_bytes()
    tree = tmp_path / "tree"
    tree.mkdir()
    for folder in folders:
        (tree / folder).mkdir(parents=True)
        (tree / folder / "a.png").write_bytes(picture)
    if folders == ["train", "test"]:
        for split in folders:
            (tree / split / "owl").mkdir()
            (tree / split / "owl" / "a.png").write_bytes(picture)
            (tree / split / "a.png").unlink()
    with pytest.raises(DataError, match=message):
        load_folders(tree, 32)


def test_classes_that_differ_between_the_splits_are_named(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=3)
    (folder / "test" / "snow").rename(folder / "test" / "rain")
    with pytest.raises(DataError, match="rain, snow"):
        load_folders(folder, 32)


def test_cifar10_from_torchvision_is_read_as_folders_are(
    make_image_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The download itself needs the network; what follows it is torchvision's arrays, as here."""
    folder = make_image_folder(images_per_class=3)
    expected = load_folders(folder, 32)

    def downloaded(_root: str, *, train: bool, download: bool) -> SimpleNamespace:
        assert download
        split = expected.train if train else expected.test
        return SimpleNamespace(
            data=split.pixels.permute(0, 2, 3, 1).contiguous().numpy(),
            targets=split.labels.tolist(),
            classes=["night", "snow"],
        )

    monkeypatch.setattr(model.data, "CIFAR10", downloaded)
    dataset = load_cifar10(folder)
    assert dataset.class_names == expected.class_names
    for ours, theirs in ((dataset.train, expected.train), (dataset.test, expected.test)):
        assert torch.equal(ours.pixels, theirs.pixels)
        assert torch.equal(ours.labels, theirs.labels)


def test_without_a_network_the_download_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
        monkeypatch.setenv(variable.upper(), "http://127.0.0.1:9")
    with pytest.raises(DataError, match="--data DIR"):
        load_cifar10(tmp_path)


def test_hidden_files_are_no_images(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=3)
    (folder / "train" / "snow" / ".DS_Store").write_bytes(os.urandom(10))
    hidden = folder / "train" / "snow" / ".thumbnails"
    hidden.mkdir()
    shutil.copy(folder / "train" / "snow" / "000.png", hidden)
    assert len(load_folders(folder, 32).train) == 6


def test_cached_pixels_are_the_decoded_ones(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=3)
    decoded = load_folders(folder, 32).train.pixels
    assert np.array_equal(np.load(folder / ".decoded" / "train-32.npy"), decoded.numpy())
