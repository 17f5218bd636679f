"""The benchmark of the page: what it makes of its figures, and one real measurement of each."""

from playwright.sync_api import Browser

from benchmarks.common.pictures import SHIP
from benchmarks.page.__main__ import (
    Wait,
    Way,
    as_file,
    make_report,
    measure_first_visit,
    measure_wait,
)
from tests.helpers.server import Server


def test_tables_show_medians() -> None:
    wait = Wait([5, 7, 90], [10, 20, 100], 1460)
    visit = {"load, ms": 100.4, "cumulative layout shift": 0.0125}
    text = make_report({"PNG": wait}, {"desktop": visit}, {}).to_markdown()
    assert "| PNG | 3 | 20 ms | 100 ms | 7 ms | 1,460 bytes |" in text
    assert "| load, ms | 100 |" in text
    assert "| cumulative layout shift | 0.013 |" in text


def test_an_answer_and_a_first_visit_are_measured(browser: Browser, server: Server) -> None:
    ship = as_file("ship.png", SHIP.read_bytes())
    for way in (Way(), Way(scaled=False), Way(slow=True)):
        (there,), (painted,), sent = measure_wait(browser, server.web_ui, ship, 1, way)
        assert sent == SHIP.stat().st_size
        assert 0 < there < painted
        assert not way.slow or painted > 150
    visit = measure_first_visit(browser, server.web_ui, 1, slow=False)
    assert 0 < visit["first contentful paint, ms"] <= visit["largest contentful paint, ms"]
    assert visit["bytes, headers included"] > 10_000
    assert visit["requests"] > 5
