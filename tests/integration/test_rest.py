"""Requests to TorchServe and to the web UI before it, with the real handler in real workers."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import urllib3
from PIL import Image

from model import BEST_ARCHIVE
from model.images.preprocessing import Pixels, prepare
from model.inference import CARD_FILE_NAME, read_file
from model.inference.classifier import Classifier
from tests.helpers.pictures import RED, SHIPPED_ARCHIVE, as_instances, encode
from tests.helpers.server import Server

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def offline() -> Classifier:
    return Classifier.load(SHIPPED_ARCHIVE)


@pytest.mark.parametrize("side", [32, 4000])
def test_rest_web_ui_and_offline_give_one_answer(
    server: Server, offline: Classifier, side: int
) -> None:
    photo = encode(Image.radial_gradient("L").resize((side, side)).convert("RGB"), "JPEG")
    expected = offline.classify(photo)
    for response in (server.predict(photo), server.ask_page(photo)):
        assert response.status == 200
        assert response.headers["content-type"].startswith("application/json")
        answer = response.json()
        assert list(answer) == [*expected]
        assert answer["label"] == expected["label"]
        assert answer["model"] == {"name": "cifar10", "version": "1.0"}
        assert answer["image"] == expected["image"]
        assert list(answer["probabilities"]) == list(expected["probabilities"])
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-3)


def test_the_model_says_what_it_knows(server: Server) -> None:
    for version, archive in (("", SHIPPED_ARCHIVE), ("?version=2.0", BEST_ARCHIVE)):
        address = f"{server.web_ui}/model{version}"
        response = urllib3.request("GET", address, headers={"Accept": "application/json"})
        card = json.loads(read_file(archive, CARD_FILE_NAME))
        # TorchServe leaves out what is null.
        assert response.json() == {name: value for name, value in card.items() if value is not None}


def shown_pixels(answer: dict[str, str]) -> Pixels:
    text = answer["model_input"].removeprefix("data:image/png;base64,")
    return prepare(base64.b64decode(text, validate=True), 32).pixels


def test_top_k_and_model_input_are_headers_or_fields(server: Server) -> None:
    plain = server.predict(RED).json()
    fields = {"data": ("red.png", RED), "top_k": "2", "model_input": "true"}
    form = server.post(fields=fields).json()
    assert len(plain["probabilities"]) == 10
    assert "model_input" not in plain
    assert list(form["probabilities"]) == list(plain["probabilities"])[:2]
    assert np.array_equal(shown_pixels(form), prepare(RED, 32).pixels)
    for headers in ({"top_k": "2", "model_input": "true"}, {"TOP-k": "2", "Model-Input": "true"}):
        assert server.predict(RED, **headers).json() == form


@pytest.mark.parametrize(
    "path", ["/predictions/cifar10", "/predictions/cifar10/1.0", "/v1/models/cifar10:predict"]
)
def test_kserves_document_is_answered_at_every_address(
    server: Server, offline: Classifier, path: str
) -> None:
    body = as_instances(RED, b"not a picture", b"", encode(Image.new("L", (5, 9), "white")))
    headers = {**JSON, "top_k": "3", "model_input": "true"}
    response = server.post(path, headers, body=body)
    red, error, empty, white = response.json()["predictions"]
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert red["label"] == offline.classify(RED)["label"]
    assert len(red["probabilities"]) == len(white["probabilities"]) == 3
    assert (shown_pixels(white) == 255).all()
    assert [error["type"], empty["type"]] == ["UnsupportedFormatError", "EmptyBodyError"]
    assert white["image"] == {"format": "PNG", "width": 5, "height": 9, "fit": "resize"}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_an_explanation_comes_with_the_answer(server: Server, version: str) -> None:
    path = f"/cifar10/{version}"
    answer = server.post(f"/predictions{path}", body=RED).json()
    explained = server.post(f"/explanations{path}", body=RED).json()
    explanation = explained.pop("explanation")
    assert explained == answer
    assert list(explanation["heat"]) == list(answer["probabilities"])
    assert np.shape(explanation["heat"]["ship"]) == (8, 8)


def test_another_class_may_be_explained(server: Server) -> None:
    def ask(name: str) -> urllib3.BaseHTTPResponse:
        fields = {"data": ("red.png", RED), "class": name}
        return server.post("/explanations/cifar10", fields=fields)

    assert list(ask("ship").json()["explanation"]["heat"]) == ["ship"]
    refused = ask("Schiff")
    assert (refused.status, refused.json()["type"]) == (400, "InvalidParameterError")
    assert "airplane, automobile, bird" in refused.json()["message"]


Case = tuple[bytes, dict[str, str], int, str]


@pytest.mark.parametrize(
    "case",
    [
        (b"", {}, 400, "EmptyBodyError"),
        (b"", JSON, 400, "EmptyBodyError"),
        (b"not a picture", {"Content-Type": "image/png"}, 415, "UnsupportedFormatError"),
        (RED[:40], {}, 400, "UnreadableImageError"),
        (encode(Image.new("1", (8001, 8000))), {}, 413, "ImageTooLargeError"),
        (b"{", JSON, 400, "InvalidRequestError"),
        (b'{"a": 1}', {"Content-Type": "text/plain"}, 400, "InvalidRequestError"),
        (b"[" * 100_000, JSON, 400, "InvalidRequestError"),
        (as_instances(*[b""] * 65), JSON, 413, "TooManyInstancesError"),
        (RED, {"Top-K": "many"}, 400, "InvalidParameterError"),
    ],
    ids=lambda case: case[3],
)
def test_each_cause_has_its_error(server: Server, case: Case) -> None:
    body, headers, status, kind = case
    response = server.post(headers=headers, body=body)
    document = response.json()
    assert response.status == status
    assert response.headers["content-type"] == "application/json"
    assert set(document) == {"code", "type", "message"}
    assert (document["code"], document["type"]) == (status, kind)


@pytest.mark.parametrize(
    "headers",
    [
        {"describe": "True"},
        {"explain": "true"},
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
def test_odd_headers_change_no_answer(server: Server, headers: dict[str, str]) -> None:
    response = server.predict(RED, **headers)
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == server.predict(RED).json()


def test_bad_pictures_among_good_ones_fail_alone(
    server: Server, offline: Classifier, png: bytes
) -> None:
    """Many at once, so that TorchServe puts good and bad ones into the same batches."""
    workers = server.worker_pids()
    bodies = [png if index % 3 else b"not a picture" for index in range(120)]
    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(server.predict, bodies))
    expected = offline.classify(png)["confidence"]
    for body, response in zip(bodies, responses, strict=True):
        if body is png:
            assert response.status == 200
            assert response.json()["confidence"] == pytest.approx(expected, abs=1e-3)
        else:
            assert response.status == 415
    assert server.worker_pids() == workers


def test_an_upload_at_the_web_uis_limit_passes_torchserves_limit(server: Server) -> None:
    padded = encode(Image.new("RGB", (8, 8)), "JPEG").ljust(16_777_216, b"\0")
    assert server.ask_page(padded).status == 200
    assert server.ask_page(padded + b"\0").status == 413


def refused_status(file: Path) -> int | None:
    """What their README says of the public test images: which must be refused, and how."""
    if file.suffix in {".md", ".README"} or file.name == "LICENSE":
        return 415
    # Nobody checks the checksums of the pixels, which xcs is wrong in.
    is_broken = file.name.startswith("x") and not file.name.startswith("xcs")
    broken = file.parent.parent.name == "pngsuite" and is_broken
    return 400 if broken or file.stem in {"corrupted", "truncated"} else None


def test_every_public_test_image_is_answered_or_refused_and_no_worker_restarts(
    server: Server, offline: Classifier, shared_images: Path
) -> None:
    workers = server.worker_pids()
    files = sorted(path for path in shared_images.rglob("*") if path.is_file())
    assert len(files) > 180
    for file in files:
        image = file.read_bytes()
        rest, page = server.predict(image), server.ask_page(image)
        assert rest.status == page.status, file.name
        assert rest.headers["content-type"] == "application/json", file.name
        if refused := refused_status(file):
            assert rest.status == refused, file.name
            assert rest.json() == page.json()
        else:
            assert rest.status == 200, file.name
            expected = offline.classify(image)["probabilities"]
            for response in (rest, page):
                answered = response.json()["probabilities"]
                assert answered == pytest.approx(expected, abs=1e-3), file.name
    assert server.worker_pids() == workers
