import importlib.util
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import ts

from serving.batch_delay import (
    CLASS_FILE,
    WAITS_MICROSECONDS,
    WAITS_MILLISECONDS,
    count_batch_delay_in_microseconds,
)

JAR = Path(ts.__file__).parent / "frontend" / "model-server.jar"


def find_package(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    package = SimpleNamespace(origin=str(directory / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: package)


def test_the_changed_class_differs_in_one_constant(tmp_path: Path) -> None:
    assert count_batch_delay_in_microseconds(tmp_path)
    changed = (tmp_path / CLASS_FILE).read_bytes()
    with zipfile.ZipFile(JAR) as classes:
        original = classes.read(CLASS_FILE)
    assert len(changed) == len(original)
    places = [place for place, byte in enumerate(original) if changed[place] != byte]
    start = original.index(WAITS_MILLISECONDS)
    assert places
    assert all(start < place < start + len(WAITS_MILLISECONDS) for place in places)
    assert changed.count(WAITS_MICROSECONDS) == 1


def test_a_second_start_finds_the_same(tmp_path: Path) -> None:
    assert count_batch_delay_in_microseconds(tmp_path)
    first = (tmp_path / CLASS_FILE).read_bytes()
    assert count_batch_delay_in_microseconds(tmp_path)
    assert (tmp_path / CLASS_FILE).read_bytes() == first


@pytest.mark.parametrize(
    "content",
    [b"another class", WAITS_MILLISECONDS * 2, b""],
    ids=["without the word", "with the word twice", "empty"],
)
def test_another_torchserve_keeps_its_class_and_no_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    assert count_batch_delay_in_microseconds(tmp_path)
    (tmp_path / "frontend").mkdir()
    with zipfile.ZipFile(tmp_path / "frontend" / "model-server.jar", "w") as classes:
        classes.writestr(CLASS_FILE, content)
    find_package(monkeypatch, tmp_path)
    assert not count_batch_delay_in_microseconds(tmp_path)
    assert not (tmp_path / CLASS_FILE).exists()


def test_a_jar_that_is_missing_damaged_or_without_the_class_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_package(monkeypatch, tmp_path)
    assert not count_batch_delay_in_microseconds(tmp_path)
    (tmp_path / "frontend").mkdir()
    jar = tmp_path / "frontend" / "model-server.jar"
    jar.write_bytes(b"not a archive")
    assert not count_batch_delay_in_microseconds(tmp_path)
    with zipfile.ZipFile(jar, "w") as classes:
        classes.writestr("Other.class", b"")
    assert not count_batch_delay_in_microseconds(tmp_path)
    assert not (tmp_path / CLASS_FILE).exists()


def test_without_torchserve_there_is_nothing_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert not count_batch_delay_in_microseconds(tmp_path)
