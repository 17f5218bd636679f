"""Numbers claim neither too much nor too little, and are written as in their language."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask_babel import force_locale

from webui.languages import format_duration, format_number, format_percentage, format_size


@pytest.mark.parametrize(
    ("write", "number", "expected"),
    [
        (format_percentage, 0, "0.0 %"),
        (format_percentage, 1e-30, "< 0.1 %"),
        (format_percentage, 0.00099999, "< 0.1 %"),
        (format_percentage, 0.001, "0.1 %"),
        (format_percentage, 0.0684, "6.8 %"),
        (format_percentage, 0.999, "99.9 %"),
        (format_percentage, 0.9990001, "> 99.9 %"),
        (format_percentage, 0.9999999999, "> 99.9 %"),
        (format_percentage, 1, "100.0 %"),
        (format_size, 0, "0 bytes"),
        (format_size, 1, "1 byte"),
        (format_size, 1023, "1023 bytes"),
        (format_size, 1024, "1 KiB"),
        (format_size, 1_000_000, "976.6 KiB"),
        (format_size, 1_048_575, "1024 KiB"),
        (format_size, 16_777_216, "16 MiB"),
        (format_size, 20_000_000, "19.1 MiB"),
        (format_duration, 0, "1 ms"),
        (format_duration, 0.0014, "1 ms"),
        (format_duration, 0.0016, "2 ms"),
        (format_duration, 0.25, "250 ms"),
        (format_duration, 0.9994, "999 ms"),
        (format_duration, 1, "1.0 s"),
        (format_duration, 1.26, "1.3 s"),
        (format_duration, 30, "30.0 s"),
        (format_number, 0, "0"),
        (format_number, 0.5, "0.5"),
        (format_number, 30.0, "30"),
        (format_number, 1.25, "1.25"),
    ],
)
def test_numbers_are_readable_and_have_no_more_digits_than_they_need(
    app: Flask, write: Callable[[float], str], number: float, expected: str
) -> None:
    assert write(number) == expected
    with app.test_request_context(), force_locale("de"):
        assert write(number) == expected.replace(".", ",").replace("bytes", "Byte").replace(
            "byte", "Byte"
        )
