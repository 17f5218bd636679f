"""What is reported to TorchServe, in the lines in which it is reported."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from handler.metrics import HandlerMetrics
from model.inference.card import ModelCard, ValidationAnswers
from tests.helpers.pictures import SHIPPED_ARCHIVE

# As TorchServe's front end reads them, see its Metric.java.
LINE = re.compile(
    r"\[METRICS\](?P<name>[^.]+)\.Count:(?P<value>[0-9.e-]+)\|#model_name:zoo,"
    r"model_version:1\.0,?(?P<labels>[^|]*)\|#type:(?P<type>\w+)\|#hostname:[^,]+,\d+"
)
Reported = dict[tuple[str, str], float]
FlushIt = Callable[[HandlerMetrics], Reported]
CARD = replace(ModelCard.load(SHIPPED_ARCHIVE), class_names=("cat", "dog"), validation_answers=None)


@pytest.fixture
def measurements(metrics: MetricsCacheYamlImpl) -> HandlerMetrics:
    return HandlerMetrics(metrics, "zoo", CARD)


@pytest.fixture
def flush_it(caplog: pytest.LogCaptureFixture) -> Iterator[FlushIt]:
    """Flush, and return what this has reported: a value by name and label."""

    def flush_now(measurements: HandlerMetrics) -> Reported:
        caplog.clear()
        measurements.flush()
        reported: Counter[tuple[str, str]] = Counter()
        for record in caplog.records:
            line = LINE.fullmatch(record.getMessage())
            assert line, record.getMessage()
            key = line["name"], line["labels"].partition(":")[2]
            assert key not in reported
            assert line["type"] == ("GAUGE" if "_validation_" in key[0] else "COUNTER")
            reported[key] = float(line["value"])  # type: ignore[assignment]
        return dict(reported)

    with caplog.at_level(logging.INFO, "ts.metrics"):
        yield flush_now


@pytest.fixture
def flush(measurements: HandlerMetrics, flush_it: FlushIt) -> Callable[[], Reported]:
    """Flush what is measured after the start."""
    flush_it(measurements)
    return lambda: flush_it(measurements)


def test_answers_are_counted_from_0_on_and_stand_beside_those_to_the_validation_images(
    metrics: MetricsCacheYamlImpl, flush_it: FlushIt
) -> None:
    card = replace(CARD, validation_answers=ValidationAnswers((0.25, 0.75), 0.875, 0.05))
    measurements = HandlerMetrics(metrics, "zoo", card)
    start = flush_it(measurements)
    assert start["handler_predictions_total", "cat"] == 0
    assert start["handler_unknown_total", ""] == 0
    assert start["handler_confidence_count", ""] == 0
    assert {key: value for key, value in start.items() if "_validation_" in key[0]} == {
        ("handler_validation_class_ratio", "cat"): 0.25,
        ("handler_validation_class_ratio", "dog"): 0.75,
        ("handler_validation_confidence", ""): 0.875,
        ("handler_validation_unknown_ratio", ""): 0.05,
    }
    for known in (True, False, None):
        measurements.count_answer({"label": "cat", "confidence": 0.5, "known": known})
    counted = flush_it(measurements)
    assert counted["handler_predictions_total", "cat"] == 3
    assert counted["handler_unknown_total", ""] == 1
    assert counted["handler_confidence_sum", ""] == 1.5


def test_what_a_card_does_not_tell_is_absent(
    metrics: MetricsCacheYamlImpl, flush_it: FlushIt
) -> None:
    card = replace(CARD, ood_threshold=None)
    start = flush_it(HandlerMetrics(metrics, "zoo", card))
    assert not [name for name, _ in start if "_validation_" in name or "_unknown_" in name]


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
