"""The handler's metrics, as Prometheus reads them from the real TorchServe."""

from collections import Counter

from tests.helpers.pictures import RED, as_instances
from tests.helpers.samples import make_samples
from tests.helpers.server import Server
from tests.helpers.waiting import wait_until
from webui.torchserve.client import PIXEL

# Bodies that are refused, and the error of each.
REFUSED = [
    (b"", "EmptyBodyError"),
    (b"not a picture", "UnsupportedFormatError"),
    (RED[:40], "UnreadableImageError"),
    (b"{", "InvalidRequestError"),
]


def metrics_of(server: Server) -> Counter[str]:
    """Our own metrics by name and label."""
    url = f"http://127.0.0.1:{server.settings.torchserve_metrics_port}/metrics"
    response = server.http.request("GET", url, headers=server.authorization())
    assert response.status == 200
    found: Counter[str] = Counter()
    for line in response.data.decode().splitlines():
        if line.startswith("handler_"):
            name, _, rest = line.partition("{")
            labels, _, value = rest.partition("}")
            kept = [each for each in labels.split(",") if each.startswith(("class", "type", "le"))]
            found[name + "".join(kept)] += float(value)  # type: ignore[assignment]
    return found


def settled_metrics(server: Server) -> Counter[str]:
    """Metrics that have not changed for longer than the workers keep them."""
    found: list[Counter[str]] = []

    def have_settled() -> bool:
        found.append(metrics_of(server))
        return found[-1:] == found[-2:-1]

    wait_until(have_settled, pause=2.5)
    return found[-1]


def test_the_metrics_add_up_to_what_was_sent(server: Server) -> None:
    label_of_probes = server.predict(PIXEL).json()["label"]
    before = settled_metrics(server)
    good = [RED, *make_samples().values()]
    labels = Counter(server.predict(picture).json()["label"] for picture in good)
    both = server.predict(as_instances(RED, RED, b"x")).json()
    labels[both["predictions"][0]["label"]] += 2
    for body, _ in REFUSED:
        server.predict(body)
    refused = Counter([*(kind for _, kind in REFUSED), "UnsupportedFormatError"])
    requests = len(good) + 1 + len(REFUSED)

    after = settled_metrics(server)
    after.subtract(before)
    predictions = sum(after[name] for name in after if "predictions" in name)
    # serve.py asks from time to time, perhaps in a batch with one of these.
    probes = predictions - len(good) - 2
    assert 0 <= probes < 10
    labels[label_of_probes] += probes
    for label, count in labels.items():
        assert after[f'handler_predictions_totalclass="{label}"'] == count, label
    for kind, count in refused.items():
        assert after[f'handler_refusals_totaltype="{kind}"'] == count, kind
    assert after["handler_batch_size_sum"] == predictions
    batches = after["handler_batch_size_count"]
    assert len(good) + 1 <= batches <= len(good) + 1 + probes
    assert after["handler_inference_seconds_count"] == batches
    assert requests <= after["handler_encode_seconds_count"] <= requests + probes
    for name in ("decode_seconds", "inference_seconds", "encode_seconds", "batch_size"):
        count = after[f"handler_{name}_count"]
        assert after[f'handler_{name}_bucketle="+Inf"'] == count > 0, name
        assert after[f"handler_{name}_sum"] > 0, name
    assert len(good) - probes <= after['handler_batch_size_bucketle="1"'] <= len(good) + probes
