"""Where TorchServe's temporary files lie."""

from pathlib import Path

import pytest

from serving import ServeError
from serving.torchserve import temporary_folder


def test_temporary_folder_is_a_new_one_in_the_run_directory(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / ".model_server.pid").write_text("1")
    with temporary_folder(tmp_path) as folder:
        assert folder == tmp_path / "tmp"
        assert list(folder.iterdir()) == []
    assert not folder.exists()


def test_a_long_run_directory_has_its_temporary_files_elsewhere(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    long = tmp_path / ("x" * 100)
    with temporary_folder(long) as folder, temporary_folder(tmp_path / "long" / long.name) as other:
        assert folder != other
        assert folder.parent == other.parent == home / ".cache"


def test_where_every_path_is_too_long_the_start_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    monkeypatch.setenv("HOME", str(long))
    with pytest.raises(ServeError, match="set TORCHSERVE_RUN_DIRECTORY"), temporary_folder(long):
        pass
