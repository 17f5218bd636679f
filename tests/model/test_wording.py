import pytest

import webui.wording
from model.wording import format_percentage, visible


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.0, "0.0 %"),
        (1e-30, "< 0.1 %"),
        (0.00099999, "< 0.1 %"),
        (0.001, "0.1 %"),
        (0.0684, "6.8 %"),
        (0.999, "99.9 %"),
        (0.9990001, "> 99.9 %"),
        (1.0, "100.0 %"),
    ],
)
def test_percentage_is_honest_and_the_web_pages(fraction: float, expected: str) -> None:
    assert format_percentage(fraction) == expected
    assert webui.wording.format_percentage(fraction) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a ship.png", "a ship.png"),
        ("Flößer 船.png", "Flößer 船.png"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\udcff", "\\udcff"),
        ("right\u202eleft", "right\\u202eleft"),
    ],
)
def test_a_name_is_shown_on_one_line(name: str, expected: str) -> None:
    assert visible(name) == expected
