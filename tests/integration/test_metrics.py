"""The metrics that real servers show Prometheus, and what the dashboard and the alerts ask for."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import yaml
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from model import PROJECT
from tests.helpers.pictures import RED, as_instances, encode
from tests.helpers.samples import make_samples
from tests.helpers.server import Server
from tests.helpers.waiting import wait_until
from webui.torchserve.client import PIXEL

PORTS = ("TORCHSERVE_METRICS_PORT", "WEBUI_METRICS_PORT", "SERVE_METRICS_PORT")
# Bodies that are refused, and the error of each.
REFUSED = [
    (b"", "EmptyBodyError"),
    (b"not a picture", "UnsupportedFormatError"),
    (RED[:40], "UnreadableImageError"),
    (b"{", "InvalidRequestError"),
]
# What stands in an expression beside the names of metrics: texts, labels, durations, functions.
NO_METRIC = re.compile(
    r'"[^"]*"|\b(?:by|on|group_left) \([^)]*\)|\{[^}]*\}|\[[^]]*\]|\b\w+(?=(?: by)? ?\()|\b[0-9.]+'
)
# A metric that Prometheus itself has of all that it asks.
OF_PROMETHEUS = {"up"}


def samples_of(server: Server) -> list[Sample]:
    """Everything that is shown."""
    found = []
    for port in PORTS:
        url = f"http://127.0.0.1:{server.ports[port]}/metrics"
        response = server.http.request("GET", url)
        assert response.status == 200
        # The parser would give a counter that is typed as one the ending "_total".
        lines = re.sub(r"(?m)^#.*\n", "", response.data.decode())
        for family in text_string_to_metric_families(lines):
            found += family.samples
    return found


def handler_metrics(server: Server) -> Counter[tuple[str, str]]:
    """What both versions' handlers count together, by name and label."""
    found: Counter[tuple[str, str]] = Counter()
    for name, labels, value, *_ in samples_of(server):
        if name.startswith("handler_"):
            (label,) = [labels[one] for one in ("class", "type", "le") if one in labels] or [""]
            found[name, label] += value  # type: ignore[assignment]
    return found


def settled_metrics(server: Server) -> Counter[tuple[str, str]]:
    """Metrics that have not changed for longer than the workers keep them."""
    found: list[Counter[tuple[str, str]]] = []

    def have_settled() -> bool:
        found.append(handler_metrics(server))
        return found[-1:] == found[-2:-1]

    wait_until(have_settled, pause=2.5)
    return found[-1]


def test_the_metrics_add_up_to_what_was_sent(server: Server) -> None:
    before = settled_metrics(server)
    strange = encode(Image.new("L", (40, 40), "black"))
    good = [RED, strange, *make_samples().values()]
    answers = [server.predict(picture).json() for picture in good]
    answers += 2 * server.predict(as_instances(RED, RED, b"x")).json()["predictions"][:1]
    for body, _ in REFUSED:
        server.predict(body)
    # Probes are no answers to anybody.
    server.predict(PIXEL)
    refused = Counter([*(kind for _, kind in REFUSED), "UnsupportedFormatError"])
    requests = len(good) + 1 + len(REFUSED) + 1

    after = settled_metrics(server)
    after.subtract(before)
    for label, count in Counter(answer["label"] for answer in answers).items():
        assert after["handler_predictions_total", label] == count, label
    assert sum(after[name] for name in after if "predictions_total" in name[0]) == len(answers)
    assert after["handler_confidence_count", ""] == len(answers)
    confidence = sum(answer["confidence"] for answer in answers)
    assert after["handler_confidence_sum", ""] == pytest.approx(confidence)
    unknown = sum(not answer["known"] for answer in answers)
    assert after["handler_unknown_total", ""] == unknown > 0
    for kind, count in refused.items():
        assert after["handler_refusals_total", kind] == count, kind
    # serve.py asks from time to time, perhaps in a batch with one of these.
    probes = after["handler_batch_size_sum", ""] - len(answers)
    assert 1 <= probes < 10
    batches = after["handler_batch_size_count", ""]
    assert len(good) + 1 <= batches <= len(good) + 1 + probes
    assert after["handler_inference_seconds_count", ""] == batches
    assert requests <= after["handler_encode_seconds_count", ""] <= requests + probes
    for name in ("decode_seconds", "inference_seconds", "encode_seconds", "batch_size"):
        count = after[f"handler_{name}_count", ""]
        assert after[f"handler_{name}_bucket", "+Inf"] == count > 0, name
        assert after[f"handler_{name}_sum", ""] > 0, name
    assert len(good) - probes <= after["handler_batch_size_bucket", "1"] <= len(good) + probes


def expressions() -> Iterator[Any]:
    """Every expression of the dashboard and of the alerts."""
    dashboard = json.loads((PROJECT / "deploy" / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for group in yaml.safe_load((PROJECT / "deploy" / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield pytest.param(rule["expr"], id=rule["alert"])


@pytest.fixture(scope="module")
def shown(server: Server) -> list[Sample]:
    """What is shown once somebody has sent something."""
    server.ask_page(RED)
    server.ask_page(b"not a picture")

    def is_there(name: str) -> bool:
        return any(sample.name == name for sample in samples_of(server))

    wait_until(partial(is_there, "handler_refusals_total"))
    return samples_of(server)


@pytest.mark.parametrize("expression", [*expressions()])
def test_what_the_dashboard_and_the_alerts_ask_for_exists(
    shown: list[Sample], expression: str
) -> None:
    names = set(re.findall(r"[a-zA-Z_]\w*", NO_METRIC.sub(" ", expression))) - OF_PROMETHEUS
    assert names or OF_PROMETHEUS & set(expression.split("{"))
    assert names - {sample.name for sample in shown} == set()
    labels = {label for sample in shown if sample.name in names for label in sample.labels}
    asked = set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', expression))
    for listed in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        asked |= set(listed.split(", "))
    assert asked - labels <= {"job"}
