"""What people and programs get from each address, when all goes well and when it does not."""

import json
import logging
import re
import tempfile
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.webui.conftest import WORKER_DIED, FakeTorchServe
from webui import create_app
from webui.settings import Settings
from webui.torchserve_client import TorchServeClient

PNG = b"\x89PNG\r\n\x1a\n and so on"
AS_JSON = {"Accept": "application/json"}
AS_HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def part(field: str, content: bytes, filename: str | None = None) -> bytes:
    """Return one part of a form; werkzeug's client would write large ones to disk."""
    disposition = f'form-data; name="{field}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    return f"--x\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def send(client: FlaskClient, *parts: bytes, accept: dict[str, str]) -> TestResponse:
    body = b"".join(parts) + b"--x--\r\n"
    content_type = "multipart/form-data; boundary=x"
    return client.post("/predict", data=body, content_type=content_type, headers=accept)


def upload(
    client: FlaskClient,
    content: bytes = PNG,
    name: str = "cat.png",
    accept: dict[str, str] = AS_HTML,
) -> TestResponse:
    return send(client, part("image", content, name), accept=accept)


def heading(response: TestResponse) -> str:
    (text,) = re.findall(r"<h1[^>]*>(.*?)</h1>", response.text)
    return str(text)


def test_form_sends_a_file_to_predict(client: FlaskClient) -> None:
    page = client.get("/").text
    assert re.search(r'<form[^>]* action="/predict" method="post"\s+enctype="multipart/', page)
    assert re.search(r'<input[^>]* type="file"[^>]* name="image"', page)
    assert 'data-max-bytes="1000000"' in page
    assert "up to 976.6 KiB" in page


def test_result_page_tells_everything(client: FlaskClient) -> None:
    response = upload(client)
    assert response.status_code == 200
    assert heading(response) == "zebra"
    assert "<title>zebra (93.1 %) – Image classifier</title>" in response.text
    assert "<strong>93.1 %</strong>" in response.text
    assert "Model zoo, version 7.3" in response.text
    assert 'src="data:image/png;base64,iVBORw0KGgog' in response.text


def test_result_page_says_what_the_picture_was(client: FlaskClient) -> None:
    assert "<p>PNG, 4000 × 3000 pixels, resized as a whole</p>" in (upload(client).text)


def test_result_page_says_nothing_of_the_picture_where_nothing_is_known(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    unknown = {key: value for key, value in torchserve.prediction.items() if key != "image"}
    for answer in (unknown, {**unknown, "image": "a large one"}):
        torchserve.will_answer(200, answer)
        response = upload(client)
        assert heading(response) == "zebra"
        assert "pixels" not in response.text
        assert "None" not in response.text


def test_result_page_has_a_bar_for_each_class_highest_first(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    probabilities = {"ant": 0.0684, "owl": 0.0, "zebra": 0.9312, "moth": 0.0004}
    torchserve.will_answer(200, {**torchserve.prediction, "probabilities": probabilities})
    page = upload(client).text
    assert re.findall(r'<th scope="row">(.*?)</th>', page) == ["zebra", "ant", "moth", "owl"]
    assert re.findall(r'class="bar-fill" width="(.*?)"', page) == [
        "93.120%",
        "6.840%",
        "0.040%",
        "0.000%",
    ]
    assert re.findall(r'class="percentage">(.*?)</td>', page) == [
        "93.1 %",
        "6.8 %",
        "&lt; 0.1 %",
        "0.0 %",
    ]


def test_format_that_browsers_do_not_show_has_a_placeholder(client: FlaskClient) -> None:
    response = upload(client, b"II*\0 and so on", "scan.tif")
    assert "<img" not in response.text
    assert "can't show this format" in response.text


def test_names_are_escaped(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    evil = "<script>alert(1)</script>"
    torchserve.will_answer(
        200,
        {
            "label": evil,
            "confidence": 0.5,
            "probabilities": {evil: 0.5},
            "model": {"name": evil, "version": evil},
            "image": {"format": evil, "width": 1, "height": 1, "fit": evil},
        },
    )
    page = upload(client, name=f"{evil}.png").text
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 6


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/html, application/json", "text/html; charset=utf-8"),
        ("text/html, application/json;q=0.9", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("", "text/html; charset=utf-8"),
    ],
)
def test_accept_decides_between_page_and_json(
    client: FlaskClient, accept: str, content_type: str
) -> None:
    for response in (upload(client, accept={"Accept": accept}), upload(client, b"")):
        assert response.vary.as_set() == {"accept"}
    assert upload(client, accept={"Accept": accept}).content_type == content_type
    assert upload(client, b"", accept={"Accept": accept}).content_type == content_type


def test_json_is_torchserves_answer_in_its_order(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    response = upload(client, accept=AS_JSON)
    assert response.json == torchserve.prediction
    assert json.dumps(response.json) == json.dumps(torchserve.prediction)
    assert torchserve.images == [PNG]


def test_reloading_a_result_leads_to_the_form(client: FlaskClient) -> None:
    response = client.get("/predict")
    assert (response.status_code, response.location) == (303, "/")


@pytest.mark.parametrize(
    ("parts", "code", "type_name"),
    [
        ([], 400, "NoFileError"),
        ([part("image", b"a text field")], 400, "NoFileError"),
        ([part("picture", PNG, "cat.png")], 400, "NoFileError"),
        ([part("image", b"", "")], 400, "NoFileError"),
        ([part("image", b"", "cat.png")], 400, "EmptyFileError"),
        ([part("image", bytes(1_000_001), "cat.png")], 413, "UploadTooLargeError"),
        ([part("image", bytes(5_000_000), "cat.png")], 413, "UploadTooLargeError"),
        ([part("image", bytes(900_000))], 413, "FormTooLargeError"),
        ([part("field", b"x")] * 99, 413, "FormTooLargeError"),
        ([part("field", b"x")] * 16 + [part("image", PNG, "cat.png")], 413, "FormTooLargeError"),
        ([part("field", bytes(5_000_000))], 413, "UploadTooLargeError"),
    ],
)
def test_unusable_upload_never_reaches_torchserve(
    client: FlaskClient, torchserve: FakeTorchServe, parts: list[bytes], code: int, type_name: str
) -> None:
    response = send(client, *parts, accept=AS_JSON)
    assert response.status_code == code
    assert response.get_json()["code"] == code
    assert response.get_json()["type"] == type_name
    assert torchserve.images == []


@pytest.mark.parametrize("body", [b"", b"--x", b"\xff" * 100, b"--x\r\n\r\n--x--"])
@pytest.mark.parametrize("content_type", [None, "multipart/form-data; boundary=x", "image/png"])
def test_broken_form_holds_no_file(
    client: FlaskClient, body: bytes, content_type: str | None
) -> None:
    response = client.post("/predict", data=body, content_type=content_type, headers=AS_JSON)
    assert (response.status_code, response.get_json()["type"]) == (400, "NoFileError")


@pytest.mark.parametrize("size", [1, 16_384, 16_385, 65_536, 500_001, 1_000_000])
def test_every_size_up_to_the_limit_passes_and_never_touches_the_disk(
    client: FlaskClient, torchserve: FakeTorchServe, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        pytest.fail("an upload was written to a temporary file")

    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    content = (b"\x00\r\n--\xff" * size)[:size]
    assert upload(client, content).status_code == 200
    assert torchserve.images == [content]


def test_too_large_says_the_limit(client: FlaskClient) -> None:
    assert "976.6 KiB" in upload(client, bytes(1_000_001)).text


def test_a_form_that_holds_too_much_says_both_limits(client: FlaskClient) -> None:
    for parts in ([part("field", b"x")] * 17, [part("field", bytes(900_000))]):
        page = send(client, *parts, accept=AS_HTML)
        assert heading(page) == "That form holds too much"
        assert "more than 16 fields, or a text field of more than 512 KiB" in page.text


def test_a_picture_beside_other_fields_is_answered(client: FlaskClient) -> None:
    fields = [part("field", b"x")] * 15
    assert send(client, *fields, part("image", PNG, "cat.png"), accept=AS_JSON).status_code == 200


@pytest.mark.parametrize(
    ("status", "type_name", "code", "expected_type", "expected_heading"),
    [
        (400, "UnreadableImageError", 400, "UnreadableImageError", "could not be read"),
        (400, "EmptyBodyError", 400, "EmptyBodyError", "could not be read"),
        (400, "InvalidRequestError", 400, "InvalidRequestError", "could not be read"),
        (400, "InvalidParameterError", 400, "InvalidParameterError", "could not be read"),
        (413, "ImageTooLargeError", 413, "ImageTooLargeError", "too large"),
        (413, "TooManyInstancesError", 413, "TooManyInstancesError", "could not be read"),
        (415, "UnsupportedFormatError", 415, "UnsupportedFormatError", "that kind of file"),
        (404, "ModelNotFoundException", 503, "ModelNotReadyError", "not ready"),
        (503, "ServiceUnavailableException", 503, "OverloadedError", "Too many pictures"),
        (500, "InternalServerException", 502, "ModelServerError", "made a mistake"),
    ],
)
def test_errors_of_the_model_server_have_a_page_and_json(  # noqa: PLR0913, PLR0917
    client: FlaskClient,
    torchserve: FakeTorchServe,
    status: int,
    type_name: str,
    code: int,
    expected_type: str,
    expected_heading: str,
) -> None:
    for _ in range(2):
        torchserve.will_answer_error(status, type_name, "<b>Why</b> & wherefore")
    page = upload(client)
    assert page.status_code == code
    assert expected_heading in heading(page)
    assert f"<code>{expected_type}</code>" in page.text
    assert '<a class="button" href="/">Back to the form</a>' in page.text
    assert "<b>" not in page.text
    answer = upload(client, accept=AS_JSON)
    assert answer.status_code == code
    assert set(answer.get_json()) == {"code", "type", "message"}
    assert (answer.get_json()["code"], answer.get_json()["type"]) == (code, expected_type)
    assert ("Retry-After" in answer.headers) == (code == 503)


def test_handlers_message_is_passed_through(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    for _ in range(2):
        torchserve.will_answer_error(400, "UnreadableImageError", "The file is cut short.")
    assert upload(client, accept=AS_JSON).get_json()["message"] == "The file is cut short."
    assert '<p class="lead">The file is cut short.</p>' in upload(client).text


def test_workers_that_die_one_after_another_are_a_reason_to_come_back(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    for _ in range(2):
        torchserve.will_answer_error(507, "InternalServerException", WORKER_DIED)
    response = upload(client, accept=AS_JSON)
    assert (response.status_code, response.get_json()["type"]) == (503, "ModelNotReadyError")
    assert response.headers["Retry-After"] == "5"


def test_an_overloaded_model_is_ready(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    torchserve.will_answer_error(503, "ServiceUnavailableException")
    overloaded = upload(client, accept=AS_JSON)
    assert overloaded.get_json()["type"] == "OverloadedError"
    assert overloaded.headers["Retry-After"] == "1"
    assert client.get("/readyz").status_code == 200


def test_slow_model_server_is_a_gateway_timeout(
    settings: Settings, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, torchserve.prediction, delay=0.6)
    client = create_app(replace(settings, torchserve_timeout_seconds=0.2)).test_client()
    response = upload(client, accept=AS_JSON)
    assert (response.status_code, response.get_json()["type"]) == (504, "ModelServerTimeoutError")


def test_stopped_model_server_is_a_bad_gateway_that_says_what_to_do(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.key_file.unlink()
    response = upload(client)
    assert response.status_code == 502
    assert "make serve" in response.text


def test_unknown_address_is_not_found(client: FlaskClient) -> None:
    assert client.get("/nothing-here").status_code == 404
    assert client.get("/nothing-here", headers=AS_JSON).get_json()["type"] == "NotFoundError"


def test_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    response = client.delete("/predict", headers=AS_JSON)
    assert (response.status_code, response.get_json()["type"]) == (405, "MethodNotAllowedError")
    assert "POST" in response.headers["Allow"]


def test_mistake_in_the_program_shows_nothing_of_its_inside(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> None:
        message = "the secret inside"
        raise RuntimeError(message)

    monkeypatch.setattr(TorchServeClient, "predict", fail)
    page, answer = upload(client), upload(client, accept=AS_JSON)
    assert page.status_code == answer.status_code == 500
    assert answer.get_json()["type"] == "InternalError"
    for response in (page, answer):
        assert "secret" not in response.text
        assert "Traceback" not in response.text
    assert "the secret inside" in caplog.text


def test_healthz_does_not_depend_on_torchserve(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    torchserve.key_file.unlink()
    response = client.get("/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok"})


def test_readyz_is_ready_when_every_worker_is(client: FlaskClient) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json) == (200, {"status": "ready"})


@pytest.mark.parametrize("accept", [AS_JSON, AS_HTML])
def test_readyz_is_an_error_in_json_otherwise(
    client: FlaskClient, torchserve: FakeTorchServe, accept: dict[str, str]
) -> None:
    torchserve.will_describe(200, [{"workers": [{"status": "UNLOADING"}]}])
    response = client.get("/readyz", headers=accept)
    assert response.status_code == 503
    assert response.get_json()["type"] == "ModelNotReadyError"


def test_polling_a_model_that_is_not_ready_leaves_the_log_alone(
    client: FlaskClient, torchserve: FakeTorchServe, caplog: pytest.LogCaptureFixture
) -> None:
    torchserve.will_describe(200, [{"workers": []}])
    with caplog.at_level(logging.INFO):
        assert client.get("/readyz").status_code == 503
        assert "ModelNotReadyError" not in caplog.text
        torchserve.will_answer_error(503, "ServiceUnavailableException")
        upload(client)
        assert "ModelNotReadyError" in caplog.text


def test_a_mistake_behind_a_probe_is_logged(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> None:
        message = "the secret inside"
        raise RuntimeError(message)

    monkeypatch.setattr(TorchServeClient, "require_ready", fail)
    assert client.get("/readyz").status_code == 500
    assert "the secret inside" in caplog.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("POST", "/predict"),
        ("GET", "/predict"),
        ("GET", "/healthz"),
        ("GET", "/nothing-here"),
        ("PUT", "/"),
        ("GET", "/static/style.css"),
    ],
)
def test_every_answer_has_security_headers(client: FlaskClient, method: str, path: str) -> None:
    with client.open(path, method=method) as response:
        headers = response.headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_results_and_errors_are_not_stored(client: FlaskClient) -> None:
    responses = [upload(client), upload(client, accept=AS_JSON), upload(client, b"")]
    responses += [client.get("/healthz"), client.get("/readyz"), client.get("/nothing-here")]
    assert {response.headers["Cache-Control"] for response in responses} == {"no-store"}


def test_pages_obey_their_own_content_security_policy(client: FlaskClient) -> None:
    for response in (client.get("/"), upload(client), client.get("/nothing-here")):
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]* src=)", response.text)


def test_pages_ask_nobody_else_for_anything(client: FlaskClient) -> None:
    for response in (client.get("/"), upload(client), client.get("/nothing-here")):
        addresses = re.findall(r'(?:src|href|action)="([^"]*)"', response.text)
        assert addresses
        assert all(re.match(r"/(?!/)|#|data:image/", address) for address in addresses)


def test_everything_a_page_links_to_exists(client: FlaskClient) -> None:
    for address in re.findall(r'(?:src|href)="(/[^"]*)"', client.get("/").text):
        with client.get(address) as response:
            assert response.status_code == 200


def test_settings_come_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_UPLOAD_BYTES", "77")
    assert create_app().config["MAX_UPLOAD_BYTES"] == 77
