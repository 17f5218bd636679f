import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from model.answers import answer, error_answer
from model.classifier import Classifier
from model.image_errors import ImageTooLargeError, UnsupportedFormatError
from model.model_card import ModelCard
from model.preprocessing import PreparedImage, prepare
from tests.conftest import SHIPPED_ARCHIVE, encode

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


def shown_png(answered: dict[str, Any]) -> bytes:
    head, _, text = answered["model_input"].partition(",")
    assert head == "data:image/png;base64"
    return base64.b64decode(text, validate=True)


@pytest.mark.parametrize("image_size", [1, 32, 224])
def test_the_model_input_is_pixel_for_pixel_what_the_net_sees(
    card: ModelCard, gradient: Image.Image, image_size: int
) -> None:
    image = prepare(encode(gradient, "JPEG"), image_size)
    shown = Image.open(io.BytesIO(shown_png(answer(card, PROBABILITIES, image, model_input=True))))
    assert (shown.mode, shown.size) == ("RGB", (image_size, image_size))
    assert np.array_equal(np.asarray(shown), image.pixels)


def test_every_value_of_a_pixel_survives_in_the_model_input(card: ModelCard) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    noise = PreparedImage(pixels, "PNG", 32, 32)
    png = shown_png(answer(card, PROBABILITIES, noise, model_input=True))
    assert np.array_equal(prepare(png, 32).pixels, pixels)


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


def test_an_answer_is_json_as_it_is(card: ModelCard) -> None:
    answered = answer(card, PROBABILITIES, IMAGE, model_input=True)
    assert orjson.loads(orjson.dumps(answered)) == answered


def test_an_error_has_torchserves_shape() -> None:
    assert error_answer(UnsupportedFormatError.of("a video"))["message"].startswith("This is a vid")
    assert error_answer(ImageTooLargeError("so large")) == {
        "code": 413,
        "type": "ImageTooLargeError",
        "message": "so large",
    }
