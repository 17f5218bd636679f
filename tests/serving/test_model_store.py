"""Which versions are served, and which of them answers by default."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from serving import ServeError
from serving.model_store import find_archives, write_deployed
from webui.settings import Settings


@pytest.fixture
def served(tmp_path: Path) -> Callable[..., list[str]]:
    """What returns the names of the archives that are served from a store of three versions."""
    for name, version in (("zoo", "1.0"), ("zoo", "9.0"), ("zoo", "10.0"), ("farm", "2.0")):
        with zipfile.ZipFile(tmp_path / f"{name}-{version}.mar", "w") as archive:
            manifest = {"model": {"modelName": name, "modelVersion": version}}
            archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
    # A deploy that was killed leaves this.
    (tmp_path / ".zoo-11.0.mar").write_bytes(b"PK")

    def find(version: str = "latest") -> list[str]:
        settings = Settings(model_store=tmp_path, model_name="zoo", model_version=version)
        return [archive.stem for _, archive in find_archives(settings)]

    return find


def test_without_a_deploy_the_highest_version_answers_and_no_other_model(
    served: Callable[..., list[str]],
) -> None:
    assert served() == ["zoo-10.0", "zoo-9.0", "zoo-1.0"]
    assert served("9.0") == ["zoo-9.0", "zoo-10.0", "zoo-1.0"]


def test_what_was_deployed_last_and_is_still_there_answers(
    served: Callable[..., list[str]], tmp_path: Path
) -> None:
    write_deployed(tmp_path, "zoo", ["1.0", "9.0"])
    assert served() == ["zoo-9.0", "zoo-10.0", "zoo-1.0"]
    assert served("10.0")[0] == "zoo-10.0"
    (tmp_path / "zoo-9.0.mar").unlink()
    assert served() == ["zoo-1.0", "zoo-10.0"]
    (tmp_path / "zoo.deployed").write_bytes(b"\xff1.0")
    assert served() == ["zoo-10.0", "zoo-1.0"]
    write_deployed(tmp_path, "zoo", [])
    assert served() == ["zoo-10.0", "zoo-1.0"]


def test_another_model_that_was_deployed_is_served_too_but_not_first(
    served: Callable[..., list[str]], tmp_path: Path
) -> None:
    write_deployed(tmp_path, "farm", ["2.0"])
    write_deployed(tmp_path, "gone", ["1.0"])
    assert served() == ["zoo-10.0", "zoo-9.0", "zoo-1.0", "farm-2.0"]


def test_two_archives_of_one_version_are_refused(
    served: Callable[..., list[str]], tmp_path: Path
) -> None:
    shutil.copy(tmp_path / "zoo-9.0.mar", tmp_path / "copy.mar")
    with pytest.raises(ServeError, match=r"copy\.mar and .*zoo-9\.0\.mar are both version 9\.0 of"):
        served()
