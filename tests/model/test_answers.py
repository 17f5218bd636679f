from dataclasses import replace

import numpy as np
import orjson
import pytest

from model.answers import answer, error_answer
from model.classifier import Classifier
from model.image_errors import ImageTooLargeError, UnsupportedFormatError
from model.model_card import ModelCard
from model.preprocessing import PreparedImage
from tests.conftest import SHIPPED_ARCHIVE

PROBABILITIES = [0.125, 0.5, 0.25, 0.125]
IMAGE = PreparedImage(np.zeros((32, 32, 3), np.uint8), "JPEG", 640, 480)


@pytest.fixture(scope="module")
def card() -> ModelCard:
    card = Classifier.load(SHIPPED_ARCHIVE).card
    return replace(card, class_names=("a", "b", "c", "d"), name="letters", version="2")


def test_an_answer_ranks_all_classes_and_tells_of_model_and_image(card: ModelCard) -> None:
    answered = answer(card, PROBABILITIES, IMAGE)
    assert answered == {
        "label": "b",
        "confidence": 0.5,
        "probabilities": {"b": 0.5, "c": 0.25, "a": 0.125, "d": 0.125},
        "model": {"name": "letters", "version": "2"},
        "image": {"format": "JPEG", "width": 640, "height": 480, "fit": "resize"},
    }
    assert list(answered["probabilities"]) == ["b", "c", "a", "d"]


@pytest.mark.parametrize(
    ("top_k", "names"), [(1, "b"), (2, "bc"), (4, "bcad"), (9999, "bcad"), (None, "bcad")]
)
def test_top_k_names_the_likeliest(card: ModelCard, top_k: int | None, names: str) -> None:
    answered = answer(card, PROBABILITIES, IMAGE, top_k)
    assert "".join(answered["probabilities"]) == names
    assert (answered["label"], answered["confidence"]) == ("b", 0.5)


def test_an_answer_is_json_as_it_is(card: ModelCard) -> None:
    answered = answer(card, PROBABILITIES, IMAGE)
    assert orjson.loads(orjson.dumps(answered)) == answered


def test_an_error_has_torchserves_shape() -> None:
    assert error_answer(UnsupportedFormatError.of("a video"))["message"].startswith("This is a vid")
    assert error_answer(ImageTooLargeError("so large")) == {
        "code": 413,
        "type": "ImageTooLargeError",
        "message": "so large",
    }
