"""Two models on the same pictures: they go by brightness, so it is known where they are right."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.data.tested_files import write_test_files
from model.evaluate import main
from model.export.graph import to_onnx
from model.inference.classifier import Classifier
from tests.helpers.pictures import SHIPPED_ARCHIVE


class Brightness(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.slopes = torch.tensor([-9, 9, *[0] * (classes - 2)])

    def forward(self, pixels: Tensor) -> Tensor:
        brightness = pixels.float().mean(dim=(1, 2, 3), keepdim=True).flatten(1) / 255 - 0.5
        return (brightness * self.slopes).softmax(dim=1)


def make_run(directory: Path, class_names: tuple[str, ...], size: int = 32) -> Path:
    """A run that answers its first class for dark pictures and its second for bright ones."""
    directory.mkdir()
    card = Classifier.load(SHIPPED_ARCHIVE).card
    card = replace(card, name=directory.name, version="", class_names=class_names, image_size=size)
    card.save(directory)
    (directory / "model.onnx").write_bytes(to_onnx(Brightness(len(class_names)), size))
    return directory


def test_models_of_other_sizes_and_orders_of_classes_are_compared_picture_by_picture(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # There are 9 dark pictures of the night, and 12 bright ones and 3 dark ones of snow.
    make_run(Path("a"), ("cat", "snow", "night", "<img>"))
    make_run(Path("b"), ("night", "<img>", "cat", "snow"), size=20)
    assert main(["a", "--data", str(pictures), "b"]) == 0
    page, data, text = (file.read_text() for file in sorted(Path("evaluation/a-and-b").iterdir()))
    comparison = json.loads(data)
    assert "A: accuracy 50.00%, 95 % interval 31.43% to 68.57%: a (a)\nB: accuracy 37.50%" in text
    assert "B is right on 9 pictures where A is wrong, A on 12 where B is wrong; p = 0.66 " in text
    assert "night         9        0.00%      100.00% +100.00\n snow        15       80.00%" in text
    assert comparison["p"] == pytest.approx(0.663624, abs=1e-6)
    answers = {
        "Only A is right: 12": {("snow", "snow", "<img>")},
        "Only B is right: 9": {("night", "cat", "night")},
        "Both are wrong, differently: 3": {("snow", "cat", "night")},
    }
    assert answers == {
        f"{group}: {len(found)}": {(each["class"], each["A"][0], each["B"][0]) for each in found}
        for group, found in comparison["pictures"].items()
    }
    assert all(f">{heading}</h2>" in page for heading in answers)
    assert page.count("<img") == 24
    assert main(["a", "a", "--data", str(pictures), "--output", "same"]) == 0
    assert json.loads(Path("same/comparison.json").read_text())["p"] == 1


def test_an_archive_beside_a_run_gets_the_pictures_that_the_run_held_out(
    weather_archive: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(pictures / "train", tmp_path / "pictures")
    held_out = [f"{name}/{index:03}.png" for name in ("night", "snow") for index in range(2, 12)]
    first = make_run(tmp_path / "first", ("snow", "night"))
    write_test_files(first, held_out)
    assert main([*map(str, (first, weather_archive, "--data", folder, "--output", tmp_path))]) == 0
    printed = capsys.readouterr()
    assert not printed.err
    assert (
        "p < 0.001 (McNemar's exact test): the difference is unlikely to be chance" in printed.out
    )
    found = json.loads((tmp_path / "comparison.json").read_text())["pictures"]["Only B is right"]
    assert sorted(picture["image"] for picture in found) == held_out


def test_models_of_different_classes_are_refused_in_one_line(
    weather_archive: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = make_run(tmp_path / "first", ("snow", "night", "fog"))
    assert main([str(first), str(weather_archive), "--data", str(pictures)]) == 2
    assert capsys.readouterr().err.split("; ")[1:] == ["only one knows fog\n"]
