"""The web UI's metrics for Prometheus, which have a port of their own.

The web UI's own port is what a proxy opens to the world, and behind it every visitor has the
address of the proxy: only another port keeps visitors from what is for operators alone.
"""

from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from webui.admission import Admission

# Times at which metrics began would be as many numbers again.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Counts and times what one web UI answers.

    Args:
        app: The web UI.
        admission: What knows which requests wait.

    Attributes:
        registry: What Prometheus is to be shown.
        errors: The counter of errors, by type.
    """

    def __init__(self, app: Flask, admission: Admission) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.errors = Counter(
            "webui_errors",
            "Refusals and failures, one for each picture.",
            ["type"],
            registry=self.registry,
        )
        self._durations = Histogram(
            "webui_request_duration_seconds",
            "Time from a request that has arrived to its answer.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        under_way = Gauge(
            "webui_picture_requests",
            "Requests with pictures that are under way.",
            ["state"],
            registry=self.registry,
        )
        under_way.labels("running").set_function(lambda: admission.running)
        under_way.labels("waiting").set_function(lambda: admission.waiting)
        app.before_request(self._begin)
        app.after_request(self._end)

    def _begin(self) -> None:
        g.began = perf_counter()

    def _end(self, response: Response) -> Response:
        # Other addresses and methods are whatever visitors make up, and there is no end of them.
        rule = request.url_rule
        labels = (request.method, rule.rule) if rule else ("", "")
        seconds = perf_counter() - g.began
        self._durations.labels(*labels, response.status_code).observe(seconds)
        return response
