"""Keys come from TorchServe's key file, and from memory where it is lost or damaged."""

from pathlib import Path

import pytest

from webui.torchserve.errors import ModelServerKeyError, ModelServerUnreachableError
from webui.torchserve.keys import Keys

CONTENT = """{
  "inference": {"key": "Ab-c_9", "expiration time": "2026-11-26T10:00:00.5Z"},
  "API": {
    "key": "apikey"
  }
}"""
DAMAGED = ["", CONTENT[:20], "[" * 100_000, "{}", '{"inference": {"key": "A\\nb"}}', "\xff"]


def test_key_is_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "key_file.json"
    path.write_text(CONTENT)
    assert Keys(path).read("inference") == "Ab-c_9"
    assert Keys(path).read("API") == "apikey"


def test_no_key_file_means_that_torchserve_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(ModelServerUnreachableError):
        Keys(tmp_path / "key_file.json").read("inference")


@pytest.mark.parametrize("content", DAMAGED)
def test_file_without_a_usable_key_is_a_key_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key_file.json"
    path.write_text(content, "latin-1")
    with pytest.raises(ModelServerKeyError):
        Keys(path).read("inference")
    # A directory cannot be read.
    with pytest.raises(ModelServerKeyError):
        Keys(tmp_path).read("inference")


@pytest.mark.parametrize("content", [None, *DAMAGED])
def test_last_good_key_stays_where_the_file_is_lost_or_damaged(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "key_file.json"
    path.write_text(CONTENT)
    keys = Keys(path)
    assert keys.get("inference") == "Ab-c_9"
    path.unlink()
    if content is not None:
        path.write_text(content, "latin-1")
    assert keys.read("inference") == keys.get("inference") == "Ab-c_9"
    with pytest.raises(ModelServerKeyError):
        keys.read("management")
    path.write_text(CONTENT.replace("Ab", "Cd"))
    assert keys.get("inference") == "Ab-c_9"
    assert keys.read("inference") == "Cd-c_9"
