"""Keys are read from TorchServe's key file as it is at this moment."""

from pathlib import Path

import pytest

from webui.torchserve.errors import ModelServerKeyError, ModelServerUnreachableError
from webui.torchserve.keys import read_key

CONTENT = '{"inference": {"key": "Ab-c_9", "expiration time": "…"}, "API": {"key": "apikey"}}'


def test_key_is_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "key_file.json"
    path.write_text(CONTENT)
    assert read_key(path, "inference") == "Ab-c_9"
    assert read_key(path, "API") == "apikey"


def test_no_key_file_means_that_torchserve_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(ModelServerUnreachableError):
        read_key(tmp_path / "key_file.json", "inference")


@pytest.mark.parametrize("torn", ["", CONTENT[:30], CONTENT + "}"])
def test_file_that_is_being_rewritten_is_read_once_it_is_whole(
    tmp_path: Path, torn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key_file.json"
    path.write_text(torn)
    # TorchServe goes on writing while the reader waits.
    monkeypatch.setattr("time.sleep", lambda _seconds: path.write_text(CONTENT))
    assert read_key(path, "inference") == "Ab-c_9"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"inference": {}}',
        '{"inference": {"key": 7}}',
        '{"inference": {"key": "two\\r\\nlines"}}',
        '{"inference": {"key": "ключ"}}',
    ],
)
def test_file_without_a_usable_key_is_a_key_error(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.torchserve.keys.PAUSE_SECONDS", 0)
    path = tmp_path / "key_file.json"
    path.write_text(content)
    with pytest.raises(ModelServerKeyError):
        read_key(path, "inference")


def test_file_that_cannot_be_read_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(ModelServerKeyError):
        read_key(tmp_path, "inference")
