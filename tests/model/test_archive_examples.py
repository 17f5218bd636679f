"""The pictures to try that an archive carries if its owner wishes."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ExifTags, Image, ImageStat

from model.archive import main
from model.inference import EXAMPLES_FILE_NAME, read_file
from tests.helpers.training import FinishedRun


def pack(source: Path, store: Path, *options: str) -> int:
    return main([str(source), "--model-store", str(store), *options])


def examples_in(archive: Path) -> dict[str, Image.Image]:
    packed = json.loads(read_file(archive, EXAMPLES_FILE_NAME))
    contents = {each["name"]: base64.b64decode(each["webp"]) for each in packed}
    return {name: Image.open(io.BytesIO(content)) for name, content in contents.items()}


def mean_colour(image: Image.Image) -> list[float]:
    return ImageStat.Stat(image.convert("RGB")).mean


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven large photos as a phone takes them, and what lies beside photos."""
    folder = tmp_path / "holiday"
    (folder / "more").mkdir(parents=True)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "a phone"
    for number in range(7, 0, -1):
        photo = Image.new("RGB", (800, 600), (30 * number, 90, 90))
        photo.save(folder / f"{number}.jpg", exif=exif)
    (folder / "0 notes.txt").write_text("not a picture")
    (folder / ".hidden.jpg").write_bytes((folder / "1.jpg").read_bytes())
    return folder


def test_the_first_six_pictures_of_a_folder_are_packed_small_and_without_metadata(
    weather_archive: Path, folder: Path, tmp_path: Path
) -> None:
    assert pack(weather_archive, tmp_path, "--examples", str(folder)) == 0
    examples = examples_in(tmp_path / "weather-3.1.mar")
    assert list(examples) == ["1", "2", "3", "4", "5", "6"]
    for name, example in examples.items():
        # The phone was held upright.
        assert (example.format, example.size) == ("WEBP", (96, 128))
        assert not example.getexif()
        assert mean_colour(example) == pytest.approx([30 * int(name), 90, 90], abs=6)


def test_without_a_folder_they_are_pictures_that_the_run_was_tested_with(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    assert pack(finished_run.path, tmp_path, "--examples") == 0
    examples = examples_in(tmp_path / "finished.mar")
    assert list(examples) == ["night", "snow", "night 2", "snow 2", "night 3", "snow 3"]
    first = min((finished_run.pictures / "test" / "night").iterdir())
    assert mean_colour(examples["night"]) == pytest.approx(mean_colour(Image.open(first)), abs=4)


def test_there_are_none_unless_somebody_wishes_and_then_they_stay(
    weather_archive: Path, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(weather_archive, EXAMPLES_FILE_NAME)
    assert pack(weather_archive, tmp_path, "--examples", str(folder)) == 0
    archive = tmp_path / "weather-3.1.mar"
    before = read_file(archive, EXAMPLES_FILE_NAME)
    assert pack(archive, tmp_path) == 0
    assert read_file(archive, EXAMPLES_FILE_NAME) == before


@pytest.mark.parametrize("case", ["no picture", "no folder", "damaged", "archive"])
def test_what_can_not_be_an_example_is_one_clear_line(
    weather_archive: Path, folder: Path, tmp_path: Path, error_line: Callable[[], str], case: str
) -> None:
    options, message = [str(folder / "more")], "more has no pictures"
    if case == "no folder":
        options, message = [str(folder / "missing")], "missing has no pictures"
    if case == "damaged":
        (folder / "2.jpg").write_bytes((folder / "2.jpg").read_bytes()[:700])
        options, message = [str(folder)], "2.jpg can't be an example"
    if case == "archive":
        options, message = [], "name a folder: --examples DIR"
    assert pack(weather_archive, tmp_path, "--examples", *options) == 2
    assert message in error_line()
    assert not (tmp_path / "weather-3.1.mar").exists()
