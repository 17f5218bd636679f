"""Numbers claim neither too much nor too little, and look as they do in their language."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask_babel import force_locale

from webui.wording import (
    describe_image,
    format_duration,
    format_number,
    format_percentage,
    format_size,
)


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0, "0.0 %"),
        (1e-30, "< 0.1 %"),
        (0.00099999, "< 0.1 %"),
        (0.001, "0.1 %"),
        (0.0684, "6.8 %"),
        (0.93, "93.0 %"),
        (0.999, "99.9 %"),
        (0.9990001, "> 99.9 %"),
        (0.9999999999, "> 99.9 %"),
        (1, "100.0 %"),
        (1.0, "100.0 %"),
    ],
)
def test_percentage_is_honest(fraction: float, expected: str) -> None:
    assert format_percentage(fraction) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1_000_000, "976.6 KiB"),
        (1_048_575, "1024 KiB"),
        (16_777_216, "16 MiB"),
        (20_000_000, "19.1 MiB"),
    ],
)
def test_size_has_a_readable_unit(count: int, expected: str) -> None:
    assert format_size(count) == expected


@pytest.mark.parametrize(
    ("width", "height", "fit", "expected"),
    [
        (
            *(4000, 3000, "resize"),
            "JPEG, 4000 × 3000 pixels, resized as a whole",
        ),
        (32, 32, "resize", "JPEG, 32 × 32 pixels"),
        (40, 30, "a way of tomorrow", "JPEG, 40 × 30 pixels"),
        (40, 30, None, "JPEG, 40 × 30 pixels"),
    ],
)
def test_picture_is_described_by_what_is_known(
    width: int, height: int, fit: str | None, expected: str
) -> None:
    image = {"format": "JPEG", "width": width, "height": height, "fit": fit}
    assert describe_image(image) == expected


@pytest.mark.parametrize(
    "image",
    [None, "JPEG", [], {}, {"format": "JPEG"}, {"format": "JPEG", "width": "wide", "height": 3}],
)
def test_picture_that_nothing_is_known_of_has_no_description(image: object) -> None:
    assert describe_image(image) is None


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "1 ms"),
        (0.00001, "1 ms"),
        (0.0014, "1 ms"),
        (0.0016, "2 ms"),
        (0.25, "250 ms"),
        (0.9994, "999 ms"),
        (1, "1.0 s"),
        (1.26, "1.3 s"),
        (30, "30.0 s"),
    ],
)
def test_duration_has_a_readable_unit(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0"), (0.5, "0.5"), (30.0, "30"), (1.25, "1.25")]
)
def test_number_has_no_more_digits_than_it_needs(number: float, expected: str) -> None:
    assert format_number(number) == expected


@pytest.fixture
def german(app: Flask) -> Iterator[None]:
    with app.test_request_context(), force_locale("de"):
        yield


@pytest.mark.usefixtures("german")
def test_numbers_have_the_decimal_mark_of_their_language() -> None:
    assert format_percentage(0.9312) == "93,1 %"
    assert format_percentage(0.0001) == "< 0,1 %"
    assert format_percentage(0.99999) == "> 99,9 %"
    assert format_size(1_000_000) == "976,6 KiB"
    assert format_size(20_000_000) == "19,1 MiB"
    assert format_size(16_777_216) == "16 MiB"
    assert format_duration(1.26) == "1,3 s"
    assert format_duration(0.25) == "250 ms"
    assert format_number(0.5) == "0,5"
