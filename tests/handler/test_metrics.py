"""What is reported to TorchServe, in the lines in which it is reported."""

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from handler.metrics import HandlerMetrics

# As TorchServe's front end reads them, see its Metric.java.
LINE = re.compile(
    r"\[METRICS\](?P<name>[^.]+)\.Count:(?P<value>[0-9.e-]+)\|#ModelName:cifar10,?"
    r"(?P<labels>[^|]*)\|#type:COUNTER\|#hostname:[^,]+,\d+"
)
Reported = dict[tuple[str, str], float]


@pytest.fixture
def measurements(metrics: MetricsCacheYamlImpl) -> HandlerMetrics:
    return HandlerMetrics(metrics, "cifar10")


@pytest.fixture
def flush(
    measurements: HandlerMetrics, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[], Reported]]:
    """Flush, and return what this has reported: a value by name and label."""

    def flush_now() -> Reported:
        caplog.clear()
        measurements.flush()
        reported: Counter[tuple[str, str]] = Counter()
        for record in caplog.records:
            line = LINE.fullmatch(record.getMessage())
            assert line, record.getMessage()
            key = line["name"], line["labels"].partition(":")[2]
            assert key not in reported
            reported[key] = float(line["value"])  # type: ignore[assignment]
        return dict(reported)

    with caplog.at_level(logging.INFO, "ts.metrics"):
        yield flush_now


def test_counts_are_reported_once(
    measurements: HandlerMetrics, flush: Callable[[], Reported]
) -> None:
    for label in ("cat", "dog", "cat"):
        measurements.count("handler_predictions_total", label)
    measurements.count("handler_refusals_total", "EmptyBodyError")
    assert flush() == {
        ("handler_predictions_total", "cat"): 2,
        ("handler_predictions_total", "dog"): 1,
        ("handler_refusals_total", "EmptyBodyError"): 1,
    }
    assert flush() == {}
    measurements.count("handler_predictions_total", "cat")
    assert flush() == {("handler_predictions_total", "cat"): 1}


def test_buckets_of_a_histogram_hold_all_values_up_to_their_bound(
    measurements: HandlerMetrics, flush: Callable[[], Reported]
) -> None:
    for value in (1, 1, 3, 8, 9, 64, 1000):
        measurements.observe("handler_batch_size", value)
    name = "handler_batch_size_bucket"
    counts = {"1": 2, "2": 2, "4": 3, "8": 4, "16": 5, "32": 5, "64": 6, "+Inf": 7}
    assert flush() == {
        **{(name, bound): count for bound, count in counts.items()},
        ("handler_batch_size_sum", ""): 1086,
        ("handler_batch_size_count", ""): 7,
    }
    measurements.observe("handler_batch_size", 64)
    assert flush() == {
        (name, "64"): 1,
        (name, "+Inf"): 1,
        ("handler_batch_size_sum", ""): 64,
        ("handler_batch_size_count", ""): 1,
    }


def test_a_class_name_cannot_break_the_line(
    measurements: HandlerMetrics, flush: Callable[[], Reported]
) -> None:
    measurements.count("handler_predictions_total", "all,:|#")
    assert flush() == {("handler_predictions_total", "all____"): 1}


def test_torchserves_own_time_of_each_batch_is_left_out(
    measurements: HandlerMetrics, flush: Callable[[], Reported]
) -> None:
    measurements.add_time("PredictionTime", 1.5)
    assert flush() == {}


def test_a_worker_that_has_started_reports_by_itself(
    measurements: HandlerMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported = threading.Semaphore(0)
    monkeypatch.setattr("handler.metrics.FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(measurements, "flush", reported.release)
    measurements.start()
    assert all(reported.acquire(timeout=60) for _ in range(3))
