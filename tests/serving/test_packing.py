"""What becomes a version of a model."""

import json
import zipfile
from pathlib import Path

import pytest

from model.inference import CARD_FILE_NAME
from serving import ServeError
from serving.model_store import MANIFEST
from serving.packing import pack
from tests.helpers.pictures import SHIPPED_ARCHIVE


@pytest.mark.parametrize("content", [{}, {"model_card.json": "[]"}])
def test_an_archive_of_something_else_is_refused(tmp_path: Path, content: dict[str, str]) -> None:
    source = tmp_path / "other.mar"
    with zipfile.ZipFile(source, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    with pytest.raises(ServeError, match=r"other\.mar is damaged, or no archive"):
        pack(source, tmp_path / "new.mar", "zoo", "1.0", None)


def test_a_card_with_a_wrong_value_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "other.mar"
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as old, zipfile.ZipFile(source, "w") as new:
        for name in (MANIFEST, CARD_FILE_NAME):
            content = json.loads(old.read(name)) | {"test_accuracy": "high"}
            new.writestr(name, json.dumps(content))
    with pytest.raises(ServeError, match=r"other\.mar is damaged, or no archive"):
        pack(source, tmp_path / "new.mar", "zoo", "1.0", None)
