from pathlib import Path

import pytest
from PIL import Image

from model.inference.card import ModelCard
from model.inference.classifier import Classifier
from tests.helpers.pictures import SHIPPED_ARCHIVE, SHIPPED_ARCHIVES, encode


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(SHIPPED_ARCHIVE)


@pytest.mark.parametrize("archive", SHIPPED_ARCHIVES, ids=lambda file: file.name)
def test_answers_for_many_are_those_for_each(archive: Path, png: bytes) -> None:
    classifier = Classifier.load(archive)
    pictures = [png, encode(Image.new("RGB", (20, 30), "red"), "JPEG"), png]
    together = classifier.answers([classifier.prepare(picture) for picture in pictures])
    for answer, picture in zip(together, pictures, strict=True):
        alone = classifier.classify(picture)
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)
        assert answer["image"] == alone["image"]
    fit = classifier.card.fit
    assert together[1]["image"] == {"format": "JPEG", "width": 20, "height": 30, "fit": fit}


def test_what_is_missing_or_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Classifier.load(tmp_path)
    (tmp_path / "model_card.json").write_text("{}")
    with pytest.raises(ValueError, match="model card"):
        Classifier.load(tmp_path)


def test_a_card_survives_its_file(tmp_path: Path, classifier: Classifier) -> None:
    classifier.card.save(tmp_path)
    assert ModelCard.load(tmp_path) == classifier.card


@pytest.mark.parametrize("damaged", ["directory", "content"])
def test_a_damaged_archive_is_refused(tmp_path: Path, damaged: str) -> None:
    content = bytearray(SHIPPED_ARCHIVE.read_bytes())
    place = slice(-1500, -100) if damaged == "directory" else slice(100, -4000)
    content[place] = bytes(len(content[place]))
    archive = tmp_path / "damaged.mar"
    archive.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        Classifier.load(archive)
