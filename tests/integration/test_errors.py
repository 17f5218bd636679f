"""Every error that a client can cause, and every shape of request, through the real TorchServe."""

import base64
import json
import time
from collections import Counter
from typing import Any

import pytest
import urllib3
from PIL import Image

from handler.batch_delay import CLASS_FILE
from model.classifier import Classifier
from tests.conftest import SHIPPED_ARCHIVE, encode
from tests.fuzz.samples import make_samples
from tests.serving import Server

RED = encode(Image.new("RGB", (32, 32), "red"))
LARGE = encode(Image.new("1", (8001, 8000)))
PATIENCE_SECONDS = 20
JSON = "application/json"


def instances(*images: bytes) -> bytes:
    rows = [{"b64": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"instances": rows}).encode()


def post(
    server: Server,
    http: urllib3.PoolManager,
    body: bytes,
    headers: dict[str, str] | None = None,
    path: str = "/predictions/cifar10",
) -> urllib3.BaseHTTPResponse:
    return http.request(
        "POST",
        server.settings.inference_url + path,
        body=body,
        headers={**server.authorization(), **(headers or {})},
    )


CASES: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"", {}, 400, "EmptyBodyError"),
    (b"", {"Content-Type": JSON}, 400, "EmptyBodyError"),
    (b"no picture", {}, 415, "UnsupportedFormatError"),
    (b"no picture", {"Content-Type": "image/png"}, 415, "UnsupportedFormatError"),
    (b"%PDF-1.7", {}, 415, "UnsupportedFormatError"),
    (RED[:40], {}, 400, "UnreadableImageError"),
    (LARGE, {}, 413, "ImageTooLargeError"),
    (b"{", {"Content-Type": JSON}, 400, "InvalidRequestError"),
    (b'{"a": 1}', {"Content-Type": "text/plain"}, 400, "InvalidRequestError"),
    (b"[" * 100_000, {"Content-Type": JSON}, 400, "InvalidRequestError"),
    (b'{"instances": []}', {"Content-Type": JSON}, 400, "EmptyBodyError"),
    (instances(*[b""] * 65), {"Content-Type": JSON}, 413, "TooManyInstancesError"),
    (instances(b"x", RED[:40]), {"Content-Type": JSON}, 415, "UnsupportedFormatError"),
    (RED, {"top_k": "0"}, 400, "InvalidParameterError"),
    (RED, {"Top-K": "many"}, 400, "InvalidParameterError"),
]


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{number}-{case[3]}" for number, case in enumerate(CASES)]
)
def test_each_cause_has_its_error(
    server: Server, http: urllib3.PoolManager, case: tuple[bytes, dict[str, str], int, str]
) -> None:
    body, headers, status, kind = case
    response = post(server, http, body, headers)
    document = response.json()
    assert response.status == status
    assert response.headers["content-type"] == JSON
    assert set(document) == {"code", "type", "message"}
    assert (document["code"], document["type"]) == (status, kind)


def test_a_form_without_the_field_is_told_so(server: Server, http: urllib3.PoolManager) -> None:
    body, content_type = urllib3.encode_multipart_formdata({"picture": ("red.png", RED)})
    response = post(server, http, body, {"Content-Type": content_type})
    assert response.status == 400
    assert response.json()["type"] == "InvalidRequestError"
    assert "picture" in response.json()["message"]


@pytest.mark.parametrize(
    "path",
    ["/predictions/cifar10", "/predictions/cifar10/1.0", "/v1/models/cifar10:predict"],
)
def test_kserves_shape_is_answered_at_kserves_address_too(
    server: Server, http: urllib3.PoolManager, path: str
) -> None:
    body = instances(RED, b"no picture", encode(Image.new("L", (5, 9), "white")))
    response = post(server, http, body, {"Content-Type": JSON, "top_k": "3"}, path)
    red, error, white = response.json()["predictions"]
    classifier = Classifier.load(SHIPPED_ARCHIVE)
    assert response.status == 200
    assert response.headers["content-type"] == JSON
    assert red["label"] == classifier.classify(RED)["label"]
    assert len(red["probabilities"]) == len(white["probabilities"]) == 3
    assert error["type"] == "UnsupportedFormatError"
    assert white["image"] == {"format": "PNG", "width": 5, "height": 9, "fit": "resize"}


def test_top_k_is_a_header_or_a_field(server: Server, http: urllib3.PoolManager) -> None:
    fields: dict[str, Any] = {"data": ("red.png", RED), "top_k": "2"}
    body, content_type = urllib3.encode_multipart_formdata(fields)
    form = post(server, http, body, {"Content-Type": content_type}).json()
    plain = post(server, http, RED).json()
    assert len(plain["probabilities"]) == 10
    assert list(form["probabilities"]) == list(plain["probabilities"])[:2]
    for header in ("top_k", "Top-K", "TOP-k"):
        assert post(server, http, RED, {header: "2"}).json() == form


@pytest.mark.parametrize(
    "headers",
    [
        {"describe": "True"},
        {"explain": "True"},
        {"Content-Type": ""},
        {"Content-Type": "application/json"},
        {"Content-Type": "text/plain; charset=none"},
        {"Content-Type": "multipart/form-data"},
        {"Content-Encoding": "gzip"},
        {"Accept": "text/html"},
        {"ts_request_sequence_id": "1", "ts_request_sequence_start": "True"},
        {"X-Odd": "\xe4" * 2000},
        {f"X-{number}": "y" for number in range(500)},
    ],
    ids=lambda headers: next(iter(headers.items()), ("", ""))[0],
)
def test_odd_headers_change_no_answer(
    server: Server, http: urllib3.PoolManager, headers: dict[str, str]
) -> None:
    response = post(server, http, RED, headers)
    assert response.status == 200
    assert response.headers["content-type"] == JSON
    assert response.json() == post(server, http, RED).json()


def test_a_lone_request_waits_for_no_other(server: Server) -> None:
    """TorchServe finds the changed class before its own."""
    directory = server.settings.torchserve_run_directory.resolve()
    (java,) = [found for found in server.process.children(recursive=True) if found.name() == "java"]
    command = java.cmdline()
    class_path = command[command.index("-cp") + 1]
    assert (directory / CLASS_FILE).is_file()
    assert java.cwd() == str(directory)
    assert class_path.split(":")[0] in {".", ""}


def metrics_of(server: Server, http: urllib3.PoolManager) -> Counter[str]:
    """Our own metrics by name and label, on the Prometheus endpoint."""
    url = f"http://127.0.0.1:{server.settings.torchserve_metrics_port}/metrics"
    response = http.request("GET", url, headers=server.authorization())
    assert response.status == 200
    found: Counter[str] = Counter()
    for line in response.data.decode().splitlines():
        if line.startswith("handler_"):
            name, _, rest = line.partition("{")
            labels, _, value = rest.partition("}")
            kept = [each for each in labels.split(",") if each.startswith(("class", "type", "le"))]
            found[name + "".join(kept)] += float(value)  # type: ignore[assignment]
    return found


def settled_metrics(server: Server, http: urllib3.PoolManager) -> Counter[str]:
    """Metrics that have not changed for longer than the workers keep them."""
    before = metrics_of(server, http)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(2.5)
        now = metrics_of(server, http)
        if now == before:
            return now
        before = now
    raise AssertionError("the metrics never settle")


def test_the_metrics_add_up_to_what_was_sent(server: Server, http: urllib3.PoolManager) -> None:
    before = settled_metrics(server, http)
    good = [RED, *make_samples().values()]
    labels: Counter[str] = Counter()
    for picture in good:
        labels[post(server, http, picture).json()["label"]] += 1
    both = post(server, http, instances(RED, RED, b"x"), {"Content-Type": JSON}).json()
    labels[both["predictions"][0]["label"]] += 2
    refused = Counter({"UnsupportedFormatError": 1})
    for body, headers, _, kind in CASES:
        post(server, http, body, headers)
        refused[kind] += 1
    # Two instances were refused by one of these.
    refused["UnreadableImageError"] += 1

    after = settled_metrics(server, http)
    after.subtract(before)
    for label, count in labels.items():
        assert after[f'handler_predictions_totalclass="{label}"'] == count, label
    for kind, count in refused.items():
        assert after[f'handler_refusals_totaltype="{kind}"'] == count, kind
    assert sum(after[name] for name in after if "predictions" in name) == len(good) + 2
    assert after["handler_batch_size_sum"] == len(good) + 2
    assert after["handler_batch_size_count"] == len(good) + 1
    assert after["handler_inference_seconds_count"] == len(good) + 1
    assert after["handler_encode_seconds_count"] == len(good) + 1 + len(CASES)
    for name in ("decode_seconds", "inference_seconds", "encode_seconds", "batch_size"):
        count = after[f"handler_{name}_count"]
        assert after[f'handler_{name}_bucketle="+Inf"'] == count > 0, name
        assert after[f"handler_{name}_sum"] > 0, name
    assert after['handler_batch_size_bucketle="1"'] == len(good)
