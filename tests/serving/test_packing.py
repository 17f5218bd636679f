"""What becomes a version of a model."""

import zipfile
from pathlib import Path

import pytest

from serving import ServeError
from serving.packing import pack


@pytest.mark.parametrize("content", [{}, {"model_card.json": "[]"}])
def test_an_archive_of_something_else_is_refused(tmp_path: Path, content: dict[str, str]) -> None:
    source = tmp_path / "other.mar"
    with zipfile.ZipFile(source, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    with pytest.raises(ServeError, match=r"other\.mar is damaged, or no archive"):
        pack(source, tmp_path / "new.mar", "zoo", "1.0", None)
