"""The configuration: from the command line to the file of a run and back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model import BEST_ARCHIVE
from model.training import RunError
from model.training.config import CONFIG_FILE_NAME, Config
from model.training.options import parse_config
from model.training.recipes import RECIPES

RESNET = "torchvision:resnet18"


def parse(*arguments: object) -> Config:
    return parse_config(list(map(str, arguments)))[0]


def test_a_configuration_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    config = parse("--data", tmp_path, "--recipe", "original", "--dropout", 0.25, "--limit", 9)
    config = replace(config, replayed_losses=(1.5, 0.25))
    assert config.recipe.dropout == 0.25
    written = config.to_json({"threads": 2})
    # A setting that recipes no longer have is of an older run.
    written = written.replace('"keep_last"', '"epsilon": 1e-7, "keep_last"')
    (tmp_path / CONFIG_FILE_NAME).write_text(written)
    assert Config.load(tmp_path) == config


@pytest.mark.parametrize(
    ("arguments", "images", "name", "start"),
    [
        (["--data", "."], 2559, "fine-tuned", BEST_ARCHIVE),
        (["--data", "."], 2560, "tuned", None),
        (["--data", ".", "--from-scratch"], 2559, "tuned", None),
        (["--data", ".", "--dropout", "0.3"], 2559, "tuned", None),
        (["--data", ".", "--image-size", "64"], 2560, "fine-tuned", BEST_ARCHIVE),
        (["--limit", "2000"], 2000, "tuned", None),
        (["--recipe", "fine-tuned"], 2560, "fine-tuned", BEST_ARCHIVE),
        (["--data", ".", "--start-from", "/some/run"], 2559, "fine-tuned", Path("/some/run")),
        (["--data", ".", "--start-from", RESNET], 2560, "fine-tuned", Path(RESNET)),
    ],
)
def test_few_images_of_other_classes_start_from_trained_weights(
    arguments: list[str], images: int, name: str, start: Path | None
) -> None:
    config = parse(*arguments).adapted_to(images, images // 10)
    assert (config.recipe.name, config.start_from) == (name, start)


@pytest.mark.parametrize(("given", "expected"), [((), 128), (("--image-size", 64), 64)])
def test_a_network_of_torchvision_sees_larger_pictures_in_resumed_runs_too(
    tmp_path: Path, given: tuple[object, ...], expected: int
) -> None:
    config = parse("--data", tmp_path, "--start-from", RESNET, *given)
    (tmp_path / CONFIG_FILE_NAME).write_text(config.to_json({}))
    resumed = parse("--resume", tmp_path)
    assert (resumed.image_size, resumed.start_from) == (expected, Path(RESNET))
    assert resumed.recipe.architecture == RESNET


@pytest.mark.parametrize("content", ["[]", "not json", '{"environment": {}, "recipe": {}}'])
def test_a_damaged_configuration_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / CONFIG_FILE_NAME).write_text(content)
    with pytest.raises(RunError, match="can't be read"):
        Config.load(tmp_path)


def test_a_refit_keeps_every_setting_but_those_that_are_given(tmp_path: Path) -> None:
    config = parse("--data", tmp_path, "--limit", 9, "--skip-unreadable", "--seed", 3)
    # What was chosen without the test split is tested with it at the end.
    old = replace(config, name="old", no_test=True)
    (tmp_path / CONFIG_FILE_NAME).write_text(old.to_json({}))
    refit = parse("--refit", tmp_path, "--checkpoint-seconds", 9)
    expected = replace(config, refit=tmp_path, checkpoint_seconds=9, is_recipe_free=False)
    assert refit == expected


def test_the_folder_of_the_data_is_found_again_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    assert parse("--data", "pictures").data == tmp_path / "pictures"


@pytest.mark.parametrize(
    ("images", "given", "expected"),
    [
        (45_000, {}, (64, 10, 2, False)),
        (45_000, {"recipe": RECIPES["strong"]}, (500, 80, 2, True)),
        (45_000, {"recipe": RECIPES["strong"], "image_size": 64}, (125, 80, 2, True)),
        (5001, {"recipe": RECIPES["strong"]}, (455, 91, 10, True)),
        (65, {}, (13, 200, 20, True)),
        (65, {"recipe": RECIPES["fine-tuned"], "start_from": BEST_ARCHIVE}, (33, 100, 50, True)),
        (2560, {}, (64, 25, 3, False)),
        (65, {"batch_size": 65}, (65, 1000, 100, True)),
        (45_000, {"dry_run": True}, (64, 1, 2, False)),
    ],
)
def test_few_images_get_small_batches_and_more_epochs_of_which_the_last_is_kept(
    images: int, given: dict[str, Any], expected: tuple[int, int, int, bool]
) -> None:
    config = replace(Config(), **given).adapted_to(images, images // 10)
    recipe = config.recipe
    adapted = config.batch_size, config.epochs, recipe.plateau_patience, recipe.keep_last
    assert adapted == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "--epochs"),
        (["--dropout", "1"], "below 1"),
        (["--recipe", "strong", "--start-from", "x"], "starts from nothing"),
        (["--data", ".", "--image-size", "64", "--recipe", "original"], "sees 32 pixels"),
        (["--data", ".", "--image-size", "64", "--from-scratch"], "--recipe strong or fine-tuned"),
        (["--data", ".", "--start-from", RESNET, "--image-size", "48"], "64 pixels or more"),
        (["--data", ".", "--start-from", RESNET, "--image-size", "50"], "48, 64, 96, 128"),
        (["--data", ".", "--start-from", RESNET, "--from-scratch"], "starts from nothing"),
        (["--data", ".", "--start-from", "torchvision:vit_b_16"], "is none of torchvision's"),
        (["--start-from", RESNET], "CIFAR-10 has no larger images"),
        (["--image-size", "64"], "CIFAR-10 has no larger images"),
        (["--data", "/does/not/exist"], "not a folder"),
        (["--refit", "/does/not/exist"], "not a run"),
        (["--seed", "99999999999999999999"], "--seed"),
        (["--name", "../x"], "not the name of a folder"),
        (["--name", ".."], "not the name of a folder"),
    ],
)
def test_a_wrong_value_is_one_clear_line_and_exit_code_2(
    arguments: list[str], message: str, error_line: Callable[[], str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_config(arguments)
    assert message in error_line()


@pytest.mark.parametrize("flag", ["--resume", "--refit"])
def test_settings_that_an_earlier_run_decides_cannot_be_given_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    (tmp_path / CONFIG_FILE_NAME).write_text("{}")
    with pytest.raises(SystemExit, match="2"):
        parse_config([flag, str(tmp_path), "--batch-size", "64"])
    assert "leave out --batch-size" in capsys.readouterr().err
