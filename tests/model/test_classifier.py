import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from model.classifier import Classifier, build_net
from model.model_card import ModelCard
from model.preprocessing import UnsupportedFormatError
from tests.conftest import SHIPPED_ARCHIVE, encode


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(SHIPPED_ARCHIVE)


def test_an_answer_ranks_all_classes_and_names_the_first(
    classifier: Classifier, png: bytes
) -> None:
    answer = classifier.classify(png)
    values = list(answer["probabilities"].values())
    assert list(answer) == ["label", "confidence", "probabilities", "model", "image"]
    assert set(answer["probabilities"]) == set(classifier.card.class_names)
    assert values == sorted(values, reverse=True)
    assert math.fsum(values) == pytest.approx(1, abs=1e-5)
    assert answer["label"] == next(iter(answer["probabilities"]))
    assert answer["confidence"] == values[0]


def test_an_image_gets_the_same_answer_alone_and_in_a_batch(classifier: Classifier) -> None:
    pixels = torch.randint(
        0, 256, (7, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    together = classifier.probabilities(pixels)
    alone = torch.cat([classifier.probabilities(image[None]) for image in pixels])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_answers_for_many_are_those_for_each(classifier: Classifier, png: bytes) -> None:
    pictures = [png, encode(Image.new("RGB", (20, 30), "red"), "JPEG")]
    together = classifier.answers([classifier.prepare(picture) for picture in pictures])
    for answer, picture in zip(together, pictures, strict=True):
        alone = classifier.classify(picture)
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)
        assert answer["image"] == alone["image"]
    assert together[1]["image"] == {"format": "JPEG", "width": 20, "height": 30, "fit": "resize"}


def test_weights_too_small_to_matter_become_zero(classifier: Classifier) -> None:
    net = build_net("ReferenceCNN", 10, 0.5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.01)
            parameter.view(-1)[:3] = torch.tensor([9e-13, -1e-40, 2e-12])
    tidied = Classifier(net, classifier.card, torch.device("cpu")).net
    for parameter in tidied.parameters():
        first = parameter.view(-1)[:3]
        assert first[:2].tolist() == [0, 0]
        assert first[2] != 0


def test_what_is_no_image_is_an_error(classifier: Classifier) -> None:
    with pytest.raises(UnsupportedFormatError):
        classifier.classify(b"no picture")


def test_what_is_missing_or_damaged_is_refused(tmp_path: Path, classifier: Classifier) -> None:
    with pytest.raises(FileNotFoundError):
        Classifier.load(tmp_path)
    (tmp_path / "model_card.json").write_text("{}")
    with pytest.raises(ValueError, match="model card"):
        Classifier.load(tmp_path)
    classifier.card.save(tmp_path)
    torch.save({"other": torch.zeros(1)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="don't fit"):
        Classifier.load(tmp_path)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="ReferenceCNN"):
        build_net("Transformer", 10, 0.5)


def test_a_card_survives_its_file(tmp_path: Path, classifier: Classifier) -> None:
    classifier.card.save(tmp_path)
    assert ModelCard.from_json((tmp_path / "model_card.json").read_text()) == classifier.card
