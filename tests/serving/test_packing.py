"""What becomes a version of a model."""

import json
import zipfile
from pathlib import Path

import pytest

from model.inference import CARD_FILE_NAME, read_file
from serving import ServeError
from serving.packing import pack
from tests.helpers.pictures import SHIPPED_ARCHIVE

CARD = json.loads(read_file(SHIPPED_ARCHIVE, CARD_FILE_NAME))


@pytest.mark.parametrize("card", [None, [], {**CARD, "test_accuracy": "high"}])
def test_an_archive_without_a_whole_card_is_refused(tmp_path: Path, card: object) -> None:
    source = tmp_path / "other.mar"
    with zipfile.ZipFile(source, "w") as archive:
        if card is not None:
            archive.writestr(CARD_FILE_NAME, json.dumps(card))
    with pytest.raises(ServeError, match=r"other\.mar is damaged, or no archive"):
        pack(source, tmp_path / "new.mar", "zoo", "1.0", None)
