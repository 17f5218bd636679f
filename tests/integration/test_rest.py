"""TorchServe's REST endpoint, with the real handler in real workers."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import urllib3
from PIL import Image

from model.classifier import Classifier
from model.preprocessing import Pixels, prepare
from tests.conftest import SHIPPED_ARCHIVE, encode
from tests.serving import Server


def predict_through_web_ui(
    server: Server, http: urllib3.PoolManager, image: bytes
) -> urllib3.BaseHTTPResponse:
    return http.request(
        "POST",
        f"{server.web_ui}/predict",
        headers={"Accept": "application/json"},
        fields={"image": ("picture", image, "application/octet-stream")},
    )


def test_rest_web_ui_and_offline_give_one_answer(
    server: Server, http: urllib3.PoolManager, png: bytes
) -> None:
    offline = Classifier.load(SHIPPED_ARCHIVE).classify(png)
    for response in (server.predict(http, png), predict_through_web_ui(server, http, png)):
        assert response.status == 200
        assert response.headers["content-type"].startswith("application/json")
        answer = response.json()
        assert list(answer) == ["label", "confidence", "probabilities", "model", "image"]
        assert answer["label"] == offline["label"]
        assert answer["model"] == {"name": "cifar10", "version": "1.0"}
        assert answer["image"] == offline["image"]
        assert list(answer["probabilities"]) == list(offline["probabilities"])
        assert answer["probabilities"] == pytest.approx(offline["probabilities"], abs=1e-3)


def test_several_pictures_in_one_form_are_answered_in_their_order(
    server: Server, http: urllib3.PoolManager, png: bytes
) -> None:
    red, white = (encode(Image.new("RGB", (9, 9), colour)) for colour in ("red", "white"))
    pictures = [red, png[:50], white, png]
    response = http.request(
        "POST",
        f"{server.web_ui}/predict",
        headers={"Accept": "application/json"},
        fields=[("image", (f"{index}.png", picture)) for index, picture in enumerate(pictures)],
    )
    assert response.status == 200
    answers = response.json()["predictions"]
    classifier = Classifier.load(SHIPPED_ARCHIVE)
    for picture, answer in zip(pictures, answers, strict=True):
        if picture is pictures[1]:
            assert answer == server.predict(http, picture).json()
            assert answer["type"] == "UnreadableImageError"
        else:
            offline = classifier.classify(picture)["probabilities"]
            assert answer["probabilities"] == pytest.approx(offline, abs=1e-3)


def test_the_page_takes_the_bytes_of_a_picture_too(
    server: Server, http: urllib3.PoolManager, png: bytes
) -> None:
    response = http.request(
        "POST",
        f"{server.web_ui}/predict",
        headers={"Accept": "application/json", "Content-Type": "application/octet-stream"},
        body=png,
    )
    assert response.status == 200
    assert response.json() == predict_through_web_ui(server, http, png).json()


@pytest.mark.parametrize("path", ["/predict", "/predict?as=card"])
def test_the_page_shows_what_the_model_saw(
    server: Server, http: urllib3.PoolManager, png: bytes, path: str
) -> None:
    page = http.request("POST", server.web_ui + path, fields={"image": ("a.png", png)})
    shown = server.predict(http, png, model_input="true").json()["model_input"]
    assert page.status == 200
    assert f'src="{shown}"' in page.data.decode()


def test_a_picture_may_come_as_multipart_field(
    server: Server, http: urllib3.PoolManager, png: bytes
) -> None:
    response = http.request(
        "POST",
        f"{server.settings.inference_url}/predictions/cifar10",
        headers=server.authorization(),
        fields={"data": ("picture.png", png, "image/png")},
    )
    assert response.json()["label"] == server.predict(http, png).json()["label"]


def shown_pixels(answer: dict[str, str]) -> Pixels:
    text = answer["model_input"].removeprefix("data:image/png;base64,")
    return prepare(base64.b64decode(text, validate=True), 32).pixels


@pytest.mark.parametrize("header", ["model_input", "Model-Input"])
def test_the_pixels_that_the_net_sees_are_shown_on_request(
    server: Server, http: urllib3.PoolManager, png: bytes, header: str
) -> None:
    plain = server.predict(http, png).json()
    shown = server.predict(http, png, **{header: "true"}).json()
    assert list(shown) == [*plain, "model_input"]
    assert np.array_equal(shown_pixels(shown), prepare(png, 32).pixels)
    del shown["model_input"]
    assert shown == plain


def test_the_pixels_are_shown_to_a_form_and_for_each_instance(
    server: Server, http: urllib3.PoolManager, png: bytes
) -> None:
    seen = prepare(png, 32).pixels
    form = http.request(
        "POST",
        f"{server.settings.inference_url}/predictions/cifar10",
        headers=server.authorization(),
        fields={"data": ("picture.png", png, "image/png"), "model_input": "true"},
    )
    assert np.array_equal(shown_pixels(form.json()), seen)
    black = encode(Image.new("RGB", (9, 5)))
    bodies = [{"b64": base64.b64encode(image).decode()} for image in (png, b"no picture", black)]
    document = json.dumps({"instances": bodies}).encode()
    answers = server.predict(
        http, document, **{"Content-Type": "application/json", "model_input": "true"}
    )
    first, error, last = answers.json()["predictions"]
    assert np.array_equal(shown_pixels(first), seen)
    assert set(error) == {"code", "type", "message"}
    assert not np.any(shown_pixels(last))


def test_a_model_input_that_is_neither_true_nor_false_is_refused(
    server: Server, http: urllib3.PoolManager, png: bytes
) -> None:
    response = server.predict(http, png, model_input="please")
    assert response.status == 400
    assert response.json() == {
        "code": 400,
        "type": "InvalidParameterError",
        "message": "model_input must be true or false.",
    }


def test_the_version_has_an_address_of_its_own(
    server: Server, http: urllib3.PoolManager, png: bytes
) -> None:
    response = http.request(
        "POST",
        f"{server.settings.inference_url}/predictions/cifar10/1.0",
        body=png,
        headers=server.authorization(),
    )
    assert response.status == 200


@pytest.mark.parametrize("path", ["/predictions/cifar10", "/ping"])
def test_nothing_is_answered_without_the_key(
    server: Server, http: urllib3.PoolManager, png: bytes, path: str
) -> None:
    response = http.request("POST", server.settings.inference_url + path, body=png)
    assert response.status == 400
    assert response.json()["type"] == "InvalidKeyException"


def test_no_model_can_be_registered_even_with_the_key(
    server: Server, http: urllib3.PoolManager
) -> None:
    response = http.request(
        "POST",
        f"{server.settings.management_url}/models?url=cifar10.mar&model_name=second",
        headers=server.authorization("management"),
    )
    assert response.status == 405
    assert response.json()["type"] == "MethodNotAllowedException"


def test_a_renewed_key_replaces_the_old_one_and_the_web_ui_goes_on(
    server: Server, http: urllib3.PoolManager, png: bytes
) -> None:
    old = server.authorization()
    assert predict_through_web_ui(server, http, png).status == 200
    renewal = http.request(
        "GET",
        f"{server.settings.management_url}/token?type=inference",
        headers=server.authorization("API"),
    )
    assert renewal.status == 200
    url = f"{server.settings.inference_url}/predictions/cifar10"
    assert http.request("POST", url, body=png, headers=old).status == 400
    assert server.predict(http, png).status == 200
    assert predict_through_web_ui(server, http, png).status == 200


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"no picture", 415, "UnsupportedFormatError"),
        (b"", 400, "EmptyBodyError"),
        (b"\x89PNG\r\n\x1a\n", 400, "UnreadableImageError"),
    ],
)
def test_what_is_no_picture_is_refused_in_the_error_shape(
    server: Server, http: urllib3.PoolManager, body: bytes, status: int, kind: str
) -> None:
    response = server.predict(http, body)
    assert response.status == status
    assert response.json()["type"] == kind
    assert set(response.json()) == {"code", "type", "message"}


def test_a_picture_of_too_many_pixels_is_refused_in_the_same_words_everywhere(
    server: Server, http: urllib3.PoolManager
) -> None:
    image = encode(Image.new("1", (1, 30_000)))
    rest, page = server.predict(http, image), predict_through_web_ui(server, http, image)
    assert rest.status == page.status == 413
    assert rest.json()["type"] == "ImageTooLargeError"
    assert page.json() == rest.json()


@pytest.mark.parametrize(
    "headers",
    [
        {"describe": "True"},
        {"explain": "True"},
        {"Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "image/svg+xml"},
    ],
)
def test_odd_headers_do_not_change_the_answer(
    server: Server, http: urllib3.PoolManager, png: bytes, headers: dict[str, str]
) -> None:
    response = server.predict(http, png, **headers)
    assert response.status == 200
    assert response.json()["label"] == server.predict(http, png).json()["label"]


def test_bad_pictures_among_good_ones_fail_alone(
    server: Server, http: urllib3.PoolManager, png: bytes
) -> None:
    """Many at once, so that TorchServe puts good and bad ones into the same batches."""
    workers = server.worker_pids(http)
    bodies = [png if index % 3 else b"no picture" for index in range(120)]
    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(lambda body: server.predict(http, body), bodies))
    expected = Classifier.load(SHIPPED_ARCHIVE).classify(png)["confidence"]
    for body, response in zip(bodies, responses, strict=True):
        if body is png:
            assert response.status == 200
            assert response.json()["confidence"] == pytest.approx(expected, abs=1e-3)
        else:
            assert response.status == 415
    assert server.worker_pids(http) == workers


def test_a_large_photo_is_answered(server: Server, http: urllib3.PoolManager) -> None:
    photo = encode(Image.radial_gradient("L").resize((4000, 3000)).convert("RGB"), "JPEG")
    offline = Classifier.load(SHIPPED_ARCHIVE).classify(photo)
    for response in (server.predict(http, photo), predict_through_web_ui(server, http, photo)):
        assert response.json()["probabilities"] == pytest.approx(offline["probabilities"], abs=1e-3)


def test_an_upload_at_the_web_uis_limit_passes_torchserves_limit(
    server: Server, http: urllib3.PoolManager
) -> None:
    padded = encode(Image.new("RGB", (8, 8)), "JPEG").ljust(16_777_216, b"\0")
    assert predict_through_web_ui(server, http, padded).status == 200
    assert predict_through_web_ui(server, http, padded + b"\0").status == 413


def test_everything_listens_on_loopback_only(server: Server) -> None:
    listening = {
        connection.laddr
        for process in [server.process, *server.process.children(recursive=True)]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.port for address in listening} >= set(server.ports.values())
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_keys_are_readable_by_their_owner_alone(server: Server) -> None:
    assert server.settings.torchserve_run_directory.stat().st_mode & 0o777 == 0o700
    assert server.settings.key_file.stat().st_mode & 0o077 == 0


def test_no_key_is_written_to_a_log(server: Server, http: urllib3.PoolManager, png: bytes) -> None:
    predict_through_web_ui(server, http, png)
    keys = json.loads(server.settings.key_file.read_text())
    logs = [*server.settings.torchserve_run_directory.rglob("*.log")]
    assert len(logs) >= 3
    for log in logs:
        text = log.read_text()
        assert not [kind for kind, entry in keys.items() if entry["key"] in text], log


def refused_status(file: Path) -> int | None:
    """What their README says of the public test images: which must be refused, and how."""
    if file.suffix in {".md", ".README"} or file.name == "LICENSE":
        return 415
    broken = file.parent.parent.name == "pngsuite" and file.name.startswith("x")
    return 400 if broken or file.stem in {"corrupted", "truncated"} else None


def test_every_public_test_image_is_answered_or_refused_and_no_worker_restarts(
    server: Server, http: urllib3.PoolManager, shared_images: Path
) -> None:
    workers = server.worker_pids(http)
    files = sorted(path for path in shared_images.rglob("*") if path.is_file())
    classifier = Classifier.load(SHIPPED_ARCHIVE)
    assert len(files) > 180
    for file in files:
        image = file.read_bytes()
        rest, page = server.predict(http, image), predict_through_web_ui(server, http, image)
        assert rest.status == page.status, file.name
        assert rest.headers["content-type"] == "application/json", file.name
        if refused := refused_status(file):
            assert rest.status == refused, file.name
            assert rest.json() == page.json()
        else:
            assert rest.status == 200, file.name
            offline = classifier.classify(image)["probabilities"]
            assert rest.json()["probabilities"] == pytest.approx(offline, abs=1e-3), file.name
            assert page.json()["probabilities"] == pytest.approx(offline, abs=1e-3), file.name
    assert server.worker_pids(http) == workers
