"""The benchmark of the page: what it makes of its figures, and one real measurement of each."""

import pytest
from playwright.sync_api import Browser

from benchmarks.page import (
    FirstPage,
    Wait,
    Way,
    as_file,
    measure_first_page,
    measure_wait,
    percentile,
    to_markdown,
)
from tests.serving import PROJECT, Server


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([3], 95, 3), (range(1, 101), 95, 95), (range(1, 51), 95, 48), ([2, 1], 50, 1)],
)
def test_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], percent: int, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_tables_show_medians() -> None:
    wait = Wait([5, 7, 90], [10, 20, 100], 1460, "ship")
    visit = FirstPage(100.4, 200, 0, 0.0125, 90, 110, 31_000, 15)
    text = to_markdown({"PNG": wait}, {"desktop": visit}, {"chromium": "156"})
    assert "| PNG | 3 | 20 ms | 100 ms | 7 ms | 1,460 bytes |" in text
    assert "| first contentful paint | 100 ms |" in text
    assert "| over the wire, headers included | 31,000 bytes |" in text
    assert "- chromium: 156" in text


def test_an_answer_and_a_first_page_are_measured(browser: Browser, server: Server) -> None:
    content = (PROJECT / "docs" / "ship.png").read_bytes()
    ship = as_file("ship.png", content)
    for way in (Way(), Way(scaled=False), Way(slow=True)):
        wait = measure_wait(browser, server.web_ui, ship, 1, way)
        assert wait.label == "ship"
        assert wait.sent == len(content)
        assert 0 < wait.there[0] < wait.painted[0]
        assert not way.slow or wait.painted[0] > 150
    visit = measure_first_page(browser, server.web_ui, 1, is_slow=False)
    assert 0 < visit.first_paint <= visit.largest_paint
    assert visit.bytes > 10_000
    assert visit.requests > 5
