"""What Prometheus learns of the handler."""

import threading
import time
from bisect import bisect_left
from itertools import accumulate
from typing import Any

from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

FLUSH_SECONDS = 1.0
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
# Upper bounds of the buckets of each histogram; above the last one there is "+Inf".
HISTOGRAMS = {
    "handler_decode_seconds": SECONDS,
    "handler_inference_seconds": SECONDS,
    "handler_encode_seconds": SECONDS,
    "handler_batch_size": (1, 2, 4, 8, 16, 32, 64),
}
COUNTERS = {"handler_predictions_total": "class", "handler_refusals_total": "type"}
# What separates the parts of TorchServe's lines of metrics.
SEPARATORS = str.maketrans(dict.fromkeys(",:|#", "_"))


class Measurements:
    """Adds up what a worker does, and tells TorchServe once a second.

    A metric of TorchServe's is a line of text that Java parses, for each value: more work than the
    answer itself. So a histogram is added up here, and told as what Prometheus makes of it:
    counters called ``_bucket``, ``_sum`` and ``_count``.

    Takes the place of ``context.metrics``, so that TorchServe's own ``PredictionTime`` is not told
    for each request either.

    Args:
        metrics: TorchServe's of this worker.
        model_name: as TorchServe serves it.
    """

    def __init__(self, metrics: MetricsCacheYamlImpl, model_name: str) -> None:
        # TorchServe sets it for each batch.
        self.request_ids: dict[int, str] = {}
        self._model_name = model_name
        # Only ever added to, by one thread, so that the other one can read without a lock.
        self._buckets = {name: [0] * (len(bounds) + 1) for name, bounds in HISTOGRAMS.items()}
        self._sums = dict.fromkeys(HISTOGRAMS, 0.0)
        self._counts: dict[tuple[str, str], int] = {}
        self._told: dict[tuple[str, str], float] = {}
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
        """Tell TorchServe from now on, until the process ends."""
        threading.Thread(target=self._flush_for_ever, name="measurements", daemon=True).start()

    def observe(self, histogram: str, value: float) -> None:
        """Count a value in one of :data:`HISTOGRAMS`."""
        self._buckets[histogram][bisect_left(HISTOGRAMS[histogram], value)] += 1
        self._sums[histogram] += value

    def count(self, counter: str, label: str) -> None:
        """Count one more of ``label`` in one of :data:`COUNTERS`."""
        key = counter, label
        self._counts[key] = self._counts.get(key, 0) + 1

    def add_time(self, *_arguments: Any, **_named: Any) -> None:  # noqa: ANN401
        """Leave out what TorchServe wants to tell for each batch."""

    def flush(self) -> None:
        """Tell TorchServe what has been added since the last time."""
        for (name, label), total in self._totals().items():
            added = total - self._told.get((name, label), 0)
            if added:
                labels = [label.translate(SEPARATORS)] if label else []
                self._metrics[name].add_or_update(added, [self._model_name, *labels])
                self._told[name, label] = total

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
