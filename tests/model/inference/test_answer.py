import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.images.errors import ImageTooLargeError, UnsupportedFormatError
from model.images.preprocessing import PreparedImage
from model.inference.answer import answer, error_answer
from model.inference.card import Band, ModelCard
from model.inference.classifier import Classifier
from tests.helpers.pictures import SHIPPED_ARCHIVE

PROBABILITIES = [0.125, 0.5, 0.25, 0.125]
IMAGE = PreparedImage(np.zeros((32, 32, 3), np.uint8), "JPEG", 640, 480, "resize")


@pytest.fixture(scope="module")
def card() -> ModelCard:
    card = Classifier.load(SHIPPED_ARCHIVE).card
    return replace(card, bands=(), class_names=("a", "b", "c", "d"), name="letters", version="2")


def test_an_answer_ranks_all_classes_and_names_model_and_image(card: ModelCard) -> None:
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
    ("confidence", "band", "right"),
    [(0.3, [0.0, 0.5], 0.25), (0.5, [0.5, 1.0], 0.9333), (1.0, [0.5, 1.0], 0.9333)],
)
def test_an_answer_tells_how_often_the_model_was_right_when_it_was_this_sure(
    card: ModelCard, confidence: float, band: list[float], right: float
) -> None:
    card = replace(card, bands=(Band(0.0, 0.5, 10, 40), Band(0.5, 1.0, 28, 30)))
    answered = answer(card, [confidence, 0.0], IMAGE)
    assert answered["reliability"]["band"] == band
    assert answered["reliability"]["right"] == right


@pytest.mark.parametrize(
    ("top_k", "names"), [(1, "b"), (2, "bc"), (4, "bcad"), (9999, "bcad"), (None, "bcad")]
)
def test_top_k_names_the_likeliest(card: ModelCard, top_k: int | None, names: str) -> None:
    answered = answer(card, PROBABILITIES, IMAGE, top_k)
    assert "".join(answered["probabilities"]) == names
    assert (answered["label"], answered["confidence"]) == ("b", 0.5)


def shown_png(answered: dict[str, Any]) -> bytes:
    head, _, text = answered["model_input"].partition(",")
    assert head == "data:image/png;base64"
    return base64.b64decode(text, validate=True)


@pytest.mark.parametrize("image_size", [1, 32, 224])
def test_the_model_input_is_pixel_for_pixel_what_the_net_sees(
    card: ModelCard, image_size: int
) -> None:
    shape = (image_size, image_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    image = PreparedImage(pixels, "PNG", 32, 32, "resize")
    shown = Image.open(io.BytesIO(shown_png(answer(card, PROBABILITIES, image, model_input=True))))
    assert shown.mode == "RGB"
    assert np.array_equal(np.asarray(shown), pixels)


def test_the_model_input_is_a_png_of_nothing_but_pixels(card: ModelCard) -> None:
    png = shown_png(answer(card, PROBABILITIES, IMAGE, model_input=True))
    kinds, position = [], 8
    while position < len(png):
        kinds.append(png[position + 4 : position + 8])
        position += 12 + int.from_bytes(png[position : position + 4])
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


def test_the_model_input_comes_last_and_changes_nothing_else(card: ModelCard) -> None:
    plain = answer(card, PROBABILITIES, IMAGE, 2)
    shown = answer(card, PROBABILITIES, IMAGE, 2, model_input=True)
    assert list(shown) == [*plain, "model_input"]
    assert {name: shown[name] for name in plain} == plain


def test_an_error_has_torchserves_shape() -> None:
    assert error_answer(UnsupportedFormatError.of("a video"))["message"].startswith("This is a vid")
    assert error_answer(ImageTooLargeError("so large")) == {
        "code": 413,
        "type": "ImageTooLargeError",
        "message": "so large",
    }
