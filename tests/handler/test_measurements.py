"""What TorchServe is told, in the lines that it is told with."""

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from handler.measurements import HISTOGRAMS, Measurements

# As TorchServe's front end reads them, see its Metric.java.
LINE = re.compile(
    r"\[METRICS\](?P<name>[^.]+)\.Count:(?P<value>[0-9.e-]+)\|#ModelName:cifar10,?"
    r"(?P<labels>[^|]*)\|#type:COUNTER\|#hostname:[^,]+,\d+"
)
Told = dict[tuple[str, str], float]


@pytest.fixture
def measurements(metrics: MetricsCacheYamlImpl) -> Measurements:
    return Measurements(metrics, "cifar10")


@pytest.fixture
def flush(
    measurements: Measurements, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[], Told]]:
    """Flush, and return what this has told: a value by name and label."""

    def flush_now() -> Told:
        caplog.clear()
        measurements.flush()
        told: Counter[tuple[str, str]] = Counter()
        for record in caplog.records:
            line = LINE.fullmatch(record.getMessage())
            assert line, record.getMessage()
            key = line["name"], line["labels"].partition(":")[2]
            assert key not in told
            told[key] = float(line["value"])  # type: ignore[assignment]
        return dict(told)

    with caplog.at_level(logging.INFO, "ts.metrics"):
        yield flush_now


def test_nothing_is_told_of_nothing(flush: Callable[[], Told]) -> None:
    assert flush() == {}


def test_counts_are_told_once(measurements: Measurements, flush: Callable[[], Told]) -> None:
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
    measurements: Measurements, flush: Callable[[], Told]
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


def test_what_was_told_adds_up_to_what_was_measured(
    measurements: Measurements, flush: Callable[[], Told]
) -> None:
    seconds = [0.00005, 0.0001, 0.003, 0.9, 4, 0]
    told: Counter[tuple[str, str]] = Counter()
    for value in seconds:
        measurements.observe("handler_decode_seconds", value)
        told.update(flush())
    assert told["handler_decode_seconds_sum", ""] == pytest.approx(sum(seconds))
    assert told["handler_decode_seconds_count", ""] == len(seconds)
    for bound in HISTOGRAMS["handler_decode_seconds"]:
        expected = sum(value <= bound for value in seconds)
        assert told["handler_decode_seconds_bucket", str(bound)] == expected
    assert told["handler_decode_seconds_bucket", "+Inf"] == len(seconds)


@pytest.mark.parametrize("name", ["a,b", "c:d", "e|f", "g#h", "all,:|#"])
def test_a_class_name_can_not_break_the_line(
    measurements: Measurements, flush: Callable[[], Told], name: str
) -> None:
    measurements.count("handler_predictions_total", name)
    (((counter, label), value),) = flush().items()
    assert (counter, value) == ("handler_predictions_total", 1)
    assert label == re.sub("[,:|#]", "_", name)


def test_torchserves_own_time_of_each_batch_is_left_out(
    measurements: Measurements, flush: Callable[[], Told]
) -> None:
    measurements.add_time("PredictionTime", 1.5)
    assert flush() == {}


def test_a_worker_that_has_started_tells_by_itself(
    measurements: Measurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Semaphore(0)
    monkeypatch.setattr("handler.measurements.FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(measurements, "flush", told.release)
    measurements.start()
    assert all(told.acquire(timeout=60) for _ in range(3))
