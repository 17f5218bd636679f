"""What Prometheus learns of the handler."""

import threading
import time
from bisect import bisect_left
from collections import Counter
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
        self._lock = threading.Lock()
        self._increments: Counter[tuple[str, str]] = Counter()
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
        buckets = HISTOGRAMS[histogram]
        with self._lock:
            for bound in buckets[bisect_left(buckets, value) :]:
                self._increments[f"{histogram}_bucket", str(bound)] += 1
            self._increments[f"{histogram}_bucket", "+Inf"] += 1
            self._increments[f"{histogram}_sum", ""] += value  # type: ignore[assignment]
            self._increments[f"{histogram}_count", ""] += 1

    def count(self, counter: str, label: str) -> None:
        """Count one more of ``label`` in one of :data:`COUNTERS`."""
        with self._lock:
            self._increments[counter, label] += 1

    def add_time(self, *_arguments: Any, **_named: Any) -> None:  # noqa: ANN401
        """Leave out what TorchServe wants to tell for each batch."""

    def flush(self) -> None:
        """Tell TorchServe what has been added up since the last time."""
        with self._lock:
            increments, self._increments = self._increments, Counter()
        for (name, label), value in increments.items():
            labels = [label.translate(SEPARATORS)] if label else []
            self._metrics[name].add_or_update(value, [self._model_name, *labels])

    def _flush_for_ever(self) -> None:
        while True:
            time.sleep(FLUSH_SECONDS)
            self.flush()
