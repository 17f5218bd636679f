import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import model.data
from model.data import DataError, load_cifar10, load_folders, split_validation
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
    monkeypatch.setattr(model.data, "preprocess", forbid_decoding)
    second = load_folders(folder, 32)
    assert torch.equal(first.train.pixels, second.train.pixels)
    assert torch.equal(first.test.labels, second.test.labels)


def test_the_cache_holds_however_the_folder_is_spelt(
    make_image_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_image_folder(images_per_class=3)
    load_folders(folder, 32)
    monkeypatch.setattr(model.data, "preprocess", forbid_decoding)
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


def test_an_unreadable_file_is_named(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=3)
    (folder / "train" / "snow" / "001.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"snow/001\.png"):
        load_folders(folder, 32)


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"test is no folder"):
        load_folders(tmp_path, 32)


def test_classes_that_differ_between_the_splits_are_named(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=3)
    (folder / "test" / "snow").rename(folder / "test" / "rain")
    with pytest.raises(DataError, match="rain, snow"):
        load_folders(folder, 32)


def test_the_validation_split_is_stratified_disjoint_and_always_the_same() -> None:
    labels = torch.arange(1000) % 10
    training, validation = split_validation(labels, 100)
    assert torch.bincount(labels[validation]).tolist() == [10] * 10
    assert sorted([*training.tolist(), *validation.tolist()]) == list(range(1000))
    assert torch.equal(validation, split_validation(labels, 100)[1])


@pytest.mark.parametrize("size", [5, 100])
def test_a_validation_split_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(DataError, match="held out"):
        split_validation(torch.arange(100) % 10, size)


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
    assert len(load_folders(folder, 32).train) == 6


def test_cached_pixels_are_the_decoded_ones(make_image_folder: MakeFolder) -> None:
    folder = make_image_folder(images_per_class=3)
    decoded = load_folders(folder, 32).train.pixels
    assert np.array_equal(np.load(folder / ".decoded" / "train-32.npy"), decoded.numpy())
