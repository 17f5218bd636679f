import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from model.images.preprocessing import PreparedImage
from model.inference.answer import Output, answer
from model.inference.card import Band, ModelCard, Share
from model.inference.classifier import Classifier
from tests.helpers.pictures import SHIPPED_ARCHIVE

OUTPUT = Output([0.125, 0.5, 0.25, 0.125], 0.25)
IMAGE = PreparedImage(np.zeros((32, 32, 3), np.uint8), "JPEG", 640, 480, "resize")

BANDS = (Band(0.0, 0.5, Share(10, 40, 0.14, 0.4)), Band(0.5, 1.0, Share(28, 30, 0.79, 0.98)))


@pytest.fixture(scope="module")
def card() -> ModelCard:
    card = Classifier.load(SHIPPED_ARCHIVE).card
    return replace(
        card,
        bands=(),
        ood_threshold=None,
        class_names=("a", "b", "c", "d"),
        name="letters",
        version="2",
    )


def test_an_answer_ranks_all_classes_and_names_model_and_image(card: ModelCard) -> None:
    answered = answer(card, OUTPUT, IMAGE)
    assert answered == {
        "label": "b",
        "confidence": 0.5,
        "probabilities": {"b": 0.5, "c": 0.25, "a": 0.125, "d": 0.125},
        "model": {"name": "letters", "version": "2"},
        "image": {"format": "JPEG", "width": 640, "height": 480, "fit": "resize"},
    }
    assert list(answered["probabilities"]) == ["b", "c", "a", "d"]


@pytest.mark.parametrize(
    ("confidence", "band", "right"),
    [(0.3, [0.0, 0.5], 0.25), (0.5, [0.5, 1.0], 0.9333), (1.0, [0.5, 1.0], 0.9333)],
)
def test_an_answer_tells_how_often_the_model_was_right_when_it_was_this_sure(
    card: ModelCard, confidence: float, band: list[float], right: float
) -> None:
    card = replace(card, bands=BANDS)
    answered = answer(card, Output([confidence, 0.0], 0.0), IMAGE)
    interval = [0.14, 0.4] if right < 0.5 else [0.79, 0.98]
    of = 40 if right < 0.5 else 30
    assert answered["reliability"] == {"band": band, "right": right, "interval": interval, "of": of}


@pytest.mark.parametrize("threshold", [0.25, 0.2])
def test_an_answer_tells_whether_the_picture_passes_as_one_of_the_classes(
    card: ModelCard, threshold: float
) -> None:
    answered = answer(replace(card, ood_threshold=threshold), OUTPUT, IMAGE)
    assert answered["known"] is (threshold == 0.25)
    assert answered["ood_score"] == 0.25


@pytest.mark.parametrize(
    ("top_k", "names"), [(1, "b"), (2, "bc"), (4, "bcad"), (9999, "bcad"), (None, "bcad")]
)
def test_top_k_names_the_likeliest(card: ModelCard, top_k: int | None, names: str) -> None:
    answered = answer(card, OUTPUT, IMAGE, top_k)
    assert "".join(answered["probabilities"]) == names
    assert (answered["label"], answered["confidence"]) == ("b", 0.5)


def test_the_model_input_comes_last_pixel_for_pixel(card: ModelCard) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    image = replace(IMAGE, pixels=pixels)
    answered = answer(card, OUTPUT, image, model_input=True)
    *others, (name, url) = answered.items()
    assert (dict(others), name) == (answer(card, OUTPUT, image), "model_input")
    shown = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
    assert shown.mode == "RGB"
    assert np.array_equal(np.asarray(shown), pixels)
