import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model import PROJECT
from model.archive import HANDLER, PACKED_FOLDERS, main
from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from model.inference.engine import is_quick_at_int8
from tests.helpers.golden import FILE as GOLDEN_FILE
from tests.helpers.golden import golden_pictures
from tests.helpers.pictures import SHIPPED_ARCHIVE, SHIPPED_ARCHIVES
from tests.helpers.training import FinishedRun

# Maximum difference between a probability of the quantised graph and of the other one.
GREATEST_LOSS = 0.25


def test_a_run_becomes_an_archive_that_answers_the_same(
    finished_run: FinishedRun, weather_archive: Path, png: bytes
) -> None:
    from_run, from_archive = Classifier.load(finished_run.path), Classifier.load(weather_archive)
    assert from_archive.classify(png)["probabilities"] == from_run.classify(png)["probabilities"]
    assert from_archive.classify(png)["model"] == {"name": "weather", "version": "3.1"}
    assert set(from_archive.card.class_names) == {"night", "snow"}


def test_the_card_beside_the_archive_states_accuracy_data_recipe_and_date(
    weather_archive: Path,
) -> None:
    card = weather_archive.with_suffix(".md").read_text()
    created = Classifier.load(weather_archive).card.created
    for fact in ("# weather 3.1", "Test accuracy", "of 24 images", "tuned", "pictures", created):
        assert fact in card


def test_packing_an_archive_again_keeps_name_version_and_weights(
    weather_archive: Path, tmp_path: Path
) -> None:
    assert main([str(weather_archive), "--model-store", str(tmp_path)]) == 0
    before, after = (
        Classifier.load(file) for file in (weather_archive, tmp_path / "weather-3.1.mar")
    )
    assert after.card == before.card
    pixels = np.zeros((1, 32, 32, 3), np.uint8)
    assert np.array_equal(after.compute(pixels)[0], before.compute(pixels)[0])


def test_a_run_is_called_as_its_folder_where_torchserve_accepts_that(
    finished_run: FinishedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run.copy(tmp_path).rename(tmp_path / "Möwe 1.2")
    assert main([str(run), "--model-store", str(tmp_path / "my store")]) == 0
    output = capsys.readouterr().out
    assert output.endswith(f": MODEL_NAME=M-we-1.2 MODEL_STORE='{tmp_path}/my store' make serve\n")
    assert Classifier.load(tmp_path / "my store" / "M-we-1.2.mar").card.name == "M-we-1.2"


@pytest.mark.parametrize("name", ["../x", "two words", "猫", ".x", "x\n", "x" * 252])
def test_a_name_that_torchserve_does_not_accept_is_refused(
    tmp_path: Path, error_line: Callable[[], str], name: str
) -> None:
    store = tmp_path / "store"
    assert main([str(SHIPPED_ARCHIVE), "--model-store", str(store), "--name", name]) == 2
    assert "letters, digits" in error_line()
    assert not store.exists()


def test_an_archive_of_another_model_is_replaced_by_force_alone(
    weather_archive: Path, tmp_path: Path, error_line: Callable[[], str]
) -> None:
    archive = tmp_path / "cifar10.mar"
    archive.write_bytes(SHIPPED_ARCHIVE.read_bytes())
    command = [str(weather_archive), "--model-store", str(tmp_path), "--name", "cifar10"]
    command += ["--model-version", "1.0"]
    assert main(command) == 2
    assert "--force" in error_line()
    assert archive.read_bytes() == SHIPPED_ARCHIVE.read_bytes()
    assert main([*command, "--force"]) == 0
    assert Classifier.load(archive).card.class_names == ("night", "snow")
    assert main(command) == main([str(archive), "--model-store", str(tmp_path)]) == 0


def test_where_a_file_can_not_be_packed_the_archive_stays_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "cifar10.mar"
    archive.write_bytes(SHIPPED_ARCHIVE.read_bytes())
    monkeypatch.setattr("model.archive.CONFIGURATION", tmp_path / "missing.yaml")
    assert main([str(archive), "--model-store", str(tmp_path)]) == 2
    assert "missing.yaml" in capsys.readouterr().err
    assert archive.read_bytes() == SHIPPED_ARCHIVE.read_bytes()
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("damage", [None, b"", b"not weights at all"])
def test_what_is_not_a_finished_run_is_refused_in_one_line(
    finished_run: FinishedRun, tmp_path: Path, error_line: Callable[[], str], damage: bytes | None
) -> None:
    run = tmp_path
    if damage is not None:
        run = finished_run.copy(tmp_path)
        (run / "model.onnx").write_bytes(damage)
    assert main([str(run), "--model-store", str(tmp_path / "store")]) == 2
    assert "not a finished run" in error_line()
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("shipped", SHIPPED_ARCHIVES)
def test_a_shipped_archive_holds_the_code_of_this_checkout(shipped: Path) -> None:
    files = {
        **{
            str(file.relative_to(PROJECT)): str(file.relative_to(PROJECT))
            for folder in PACKED_FOLDERS
            for file in (PROJECT / folder).glob("*.py")
            if file != HANDLER
        },
        "model/__init__.py": "model/__init__.py",
        "image_handler.py": "handler/image_handler.py",
        "model-config.yaml": "handler/model-config.yaml",
    }
    with zipfile.ZipFile(shipped) as archive:
        code = {name for name in archive.namelist() if name.endswith((".py", ".yaml"))}
        assert code == set(files)
        for packed, file in files.items():
            assert archive.read(packed) == (PROJECT / file).read_bytes(), (
                f"{file} has changed; pack it: python -m model.archive model_store/{shipped.name}"
            )


@pytest.mark.parametrize("shipped", SHIPPED_ARCHIVES)
def test_the_card_beside_a_shipped_archive_is_its_own(shipped: Path) -> None:
    assert ModelCard.load(shipped).to_markdown() == shipped.with_suffix(".md").read_text()


@pytest.mark.parametrize("name", golden_pictures())
@pytest.mark.parametrize("shipped", SHIPPED_ARCHIVES)
@pytest.mark.parametrize("is_quick", [True, False])
def test_a_shipped_archive_gives_its_golden_answers(
    shipped: Path, name: str, monkeypatch: pytest.MonkeyPatch, *, is_quick: bool
) -> None:
    """A change of the preprocessing or the net shows here before anybody is served by it."""
    if is_quick and not is_quick_at_int8():
        pytest.skip("this processor overflows in the quantised graph")
    monkeypatch.setattr("model.inference.classifier.is_quick_at_int8", lambda: is_quick)
    golden = json.loads(GOLDEN_FILE.read_text())[shipped.name][name]
    classifier = Classifier.load(shipped)
    answer = classifier.classify(golden_pictures()[name])
    # The golden answers are those of the quantised graph where there is one.
    tolerance = 1e-3 if shipped == SHIPPED_ARCHIVE or is_quick else GREATEST_LOSS
    assert answer["probabilities"] == pytest.approx(golden, abs=tolerance)
