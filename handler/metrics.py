"""The handler's metrics for Prometheus."""

import threading
import time
from bisect import bisect_left
from itertools import accumulate
from typing import Any

from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

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
}
# Counters, and the name of the label that each counts by.
COUNTERS = {"handler_predictions_total": "class", "handler_refusals_total": "type"}
# Replacements for the characters that separate the parts of TorchServe's lines of metrics.
SEPARATORS = str.maketrans(dict.fromkeys(",:|#", "_"))


class HandlerMetrics:
    """Aggregates a worker's metrics, and reports them to TorchServe once a second.

    TorchServe writes each value of a metric as a line of text that Java parses, which is more work
    than the answer itself. So histograms are aggregated here, and reported as the counters that
    Prometheus makes of them: ``_bucket``, ``_sum`` and ``_count``.

    The object replaces ``context.metrics``, so that TorchServe's own ``PredictionTime`` is not
    reported for each request either.

    Args:
        metrics: TorchServe's metrics of this worker.
        model_name: Name of the model, as TorchServe serves it.
    """

    def __init__(self, metrics: MetricsCacheYamlImpl, model_name: str) -> None:
        self._model_name = model_name
        # Only the handler's thread adds to these, so that the reporting one needs no lock.
        self._buckets = {name: [0] * (len(bounds) + 1) for name, bounds in HISTOGRAMS.items()}
        self._sums = dict.fromkeys(HISTOGRAMS, 0.0)
        self._counts: dict[tuple[str, str], int] = {}
        self._reported: dict[tuple[str, str], float] = {}
        labels = dict(COUNTERS)
        for name in HISTOGRAMS:
            labels |= {f"{name}_bucket": "le", f"{name}_sum": "", f"{name}_count": ""}
        self._metrics = {
            name: metrics.add_metric_to_cache(
                name, "count", ["ModelName", *([label] if label else [])], MetricTypes.COUNTER
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

    def count(self, counter: str, label: str) -> None:
        """Count one more of ``label`` in one of :data:`COUNTERS`."""
        key = counter, label
        self._counts[key] = self._counts.get(key, 0) + 1

    def add_time(self, *_arguments: Any, **_named: Any) -> None:  # noqa: ANN401
        """Ignore the time that TorchServe reports for each batch."""

    def flush(self) -> None:
        """Report to TorchServe what was added since the last report."""
        for (name, label), total in self._totals().items():
            added = total - self._reported.get((name, label), 0)
            if added:
                labels = [label.translate(SEPARATORS)] if label else []
                self._metrics[name].add_or_update(added, [self._model_name, *labels])
                self._reported[name, label] = total

    def _totals(self) -> dict[tuple[str, str], float]:
        totals: dict[tuple[str, str], float] = dict(self._counts)
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
