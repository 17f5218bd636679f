"""The handler's metrics for Prometheus."""

import threading
import time
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

if TYPE_CHECKING:
    from model.inference.card import ModelCard

# Seconds between two reports to TorchServe.
FLUSH_SECONDS = 1.0
# Upper bounds of the buckets of each histogram; above the last one there is "+Inf".
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
HISTOGRAMS = {
    "handler_decode_seconds": SECONDS,
    "handler_inference_seconds": SECONDS,
    "handler_explanation_seconds": SECONDS,
    "handler_encode_seconds": SECONDS,
    "handler_batch_size": (1, 2, 4, 8, 16, 32, 64),
    "handler_confidence": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99),
}
PREDICTIONS, UNKNOWN = "handler_predictions_total", "handler_unknown_total"
# Counters and gauges, and the name of the label that each has besides those of the model.
COUNTERS = {PREDICTIONS: "class", "handler_refusals_total": "type", UNKNOWN: ""}
CLASS_SHARES = "handler_validation_class_ratio"
CONFIDENCE, UNKNOWN_SHARE = "handler_validation_confidence", "handler_validation_unknown_ratio"
GAUGES = {CLASS_SHARES: "class", CONFIDENCE: "", UNKNOWN_SHARE: ""}
# Replacements for the characters that separate the parts of TorchServe's lines of metrics.
SEPARATORS = str.maketrans(dict.fromkeys(",:|#", "_"))


class HandlerMetrics:
    """Aggregates a worker's metrics, and reports them to TorchServe once a second.

    TorchServe writes each value of a metric as a line of text that Java parses, which is more work
    than the answer itself. So histograms are aggregated here, and reported as the counters that
    Prometheus makes of them: ``_bucket``, ``_sum`` and ``_count``. The library prometheus-client
    would take four times as long for each value and 5 MB of each worker.

    The object replaces ``context.metrics``, so that TorchServe's own ``PredictionTime`` is not
    reported for each request either.

    Args:
        metrics: TorchServe's metrics of this worker.
        model_name: Name of the model, as TorchServe serves it.
        card: Its card, whose values of the validation images are reported to be compared with.
    """

    def __init__(self, metrics: MetricsCacheYamlImpl, model_name: str, card: "ModelCard") -> None:
        self._model = [model_name, card.version]
        # Only the handler's thread adds to these, so that the reporting one needs no lock.
        self._buckets = {name: [0] * (len(bounds) + 1) for name, bounds in HISTOGRAMS.items()}
        self._sums = dict.fromkeys(HISTOGRAMS, 0.0)
        self._values = _initial_values(card)
        self._reported: dict[tuple[str, str], float] = {}
        labels = COUNTERS | GAUGES
        for name in HISTOGRAMS:
            labels |= {f"{name}_bucket": "le", f"{name}_sum": "", f"{name}_count": ""}
        self._metrics = {
            name: metrics.add_metric_to_cache(
                name,
                "count",
                ["model_name", "model_version", *([label] if label else [])],
                MetricTypes.GAUGE if name in GAUGES else MetricTypes.COUNTER,
            )
            for name, label in labels.items()
        }

    def start(self) -> None:
        """Report to TorchServe from now on, until the process ends."""
        threading.Thread(target=self._flush_for_ever, name="metrics", daemon=True).start()

    def observe(self, histogram: str, value: float) -> None:
        """Count a value in one of :data:`HISTOGRAMS`."""
        self._buckets[histogram][bisect_left(HISTOGRAMS[histogram], value)] += 1
        self._sums[histogram] += value

    def count(self, counter: str, label: str = "") -> None:
        """Count one more of ``label`` in one of :data:`COUNTERS`."""
        key = counter, label
        self._values[key] = self._values.get(key, 0) + 1

    def count_answer(self, answered: dict[str, Any]) -> None:
        """Count what was answered to a picture."""
        self.count(PREDICTIONS, answered["label"])
        self.observe("handler_confidence", answered["confidence"])
        if answered.get("known") is False:
            self.count(UNKNOWN)

    def add_time(self, *_arguments: Any, **_named: Any) -> None:  # noqa: ANN401
        """Ignore the time that TorchServe reports for each batch."""

    def flush(self) -> None:
        """Report to TorchServe what was added since the last report."""
        for (name, label), total in self._totals().items():
            before = self._reported.get((name, label))
            if total != before:
                labels = [label.translate(SEPARATORS)] if label else []
                self._metrics[name].add_or_update(total - (before or 0), [*self._model, *labels])
                self._reported[name, label] = total

    def _totals(self) -> dict[tuple[str, str], float]:
        totals = dict(self._values)
        for name, bounds in HISTOGRAMS.items():
            cumulated = list(accumulate(self._buckets[name]))
            for bound, total in zip((*bounds, "+Inf"), cumulated, strict=True):
                totals[f"{name}_bucket", str(bound)] = total
            totals[f"{name}_sum", ""] = self._sums[name]
            totals[f"{name}_count", ""] = cumulated[-1]
        return totals

    def _flush_for_ever(self) -> None:
        while True:
            time.sleep(FLUSH_SECONDS)
            self.flush()


def _initial_values(card: "ModelCard") -> dict[tuple[str, str], float]:
    """Return the gauges, which stay, and counters from 0 on, whose first step is then seen."""
    values: dict[tuple[str, str], float] = {(PREDICTIONS, name): 0 for name in card.class_names}
    if card.ood_threshold is not None:
        values[UNKNOWN, ""] = 0
    if answers := card.validation_answers:
        values[CONFIDENCE, ""] = answers.confidence
        if answers.unknown is not None:
            values[UNKNOWN_SHARE, ""] = answers.unknown
        for name, share in zip(card.class_names, answers.class_shares, strict=True):
            values[CLASS_SHARES, name] = share
    return values
