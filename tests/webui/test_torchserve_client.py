"""Each thing that TorchServe can say, or not say, becomes one exception."""

import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.webui.conftest import MODEL_INPUT, WORKER_DIED, FakeTorchServe
from webui.errors import (
    ModelNotReadyError,
    ModelServerError,
    ModelServerKeyError,
    ModelServerTimeoutError,
    ModelServerUnreachableError,
    OverloadedError,
    RejectedImageError,
    UploadTooLargeError,
    WebUIError,
)
from webui.settings import Settings
from webui.torchserve_client import TorchServeClient

IMAGE = b"\x89PNG\x00\xff and so on"


@pytest.fixture
def asker(settings: Settings) -> TorchServeClient:
    return TorchServeClient(settings)


def test_picture_is_sent_as_it_is(asker: TorchServeClient, torchserve: FakeTorchServe) -> None:
    assert asker.predict(IMAGE) == torchserve.prediction
    assert torchserve.images == [IMAGE]
    assert torchserve.content_types == ["application/octet-stream"]


def test_models_input_is_asked_for_in_a_header(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    assert asker.predict(IMAGE, with_model_input=True)["model_input"] == MODEL_INPUT
    assert "model_input" not in asker.predict(IMAGE)
    assert torchserve.model_inputs == ["true", None]
    assert torchserve.content_types == ["application/octet-stream"] * 2


def test_key_file_is_read_again_when_torchserve_was_restarted(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    asker.predict(IMAGE)
    torchserve.replace_key("inference")
    torchserve.write_key_file()
    asker.predict(IMAGE)
    assert torchserve.renewals == []


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("inference", lambda asker: asker.predict(IMAGE)),
        ("management", lambda asker: asker.require_ready()),
    ],
)
def test_expired_key_is_renewed_once(
    asker: TorchServeClient,
    torchserve: FakeTorchServe,
    name: str,
    ask: Callable[[TorchServeClient], object],
) -> None:
    torchserve.replace_key(name)
    ask(asker)
    ask(asker)
    assert torchserve.renewals == [name]


def test_threads_that_meet_an_expired_key_renew_it_once(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    torchserve.replace_key("inference")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(asker.predict, [IMAGE] * 32))
    assert answers == [torchserve.prediction] * 32
    assert torchserve.renewals == ["inference"]


def test_failed_renewal_is_a_key_error(asker: TorchServeClient, torchserve: FakeTorchServe) -> None:
    torchserve.replace_key("inference")
    torchserve.renewal_works = False
    with pytest.raises(ModelServerKeyError):
        asker.predict(IMAGE)
    assert torchserve.images == []


def test_key_refused_after_renewal_is_a_key_error(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    for _ in range(2):
        torchserve.will_answer_error(400, "InvalidKeyException")
    with pytest.raises(ModelServerKeyError):
        asker.predict(IMAGE)
    assert torchserve.renewals == ["inference"]


def test_no_key_is_logged(
    asker: TorchServeClient, torchserve: FakeTorchServe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    torchserve.replace_key("inference")
    asker.predict(IMAGE)
    assert caplog.messages
    assert "-key_0" not in caplog.text


@pytest.mark.parametrize("status", [400, 415, 422])
def test_refusal_by_the_handler_is_passed_through(
    asker: TorchServeClient, torchserve: FakeTorchServe, status: int
) -> None:
    torchserve.will_answer_error(status, "UnreadableImageError", "Not an image.")
    with pytest.raises(RejectedImageError) as raised:
        asker.predict(IMAGE)
    assert raised.value.as_dict() == {
        "code": status,
        "type": "UnreadableImageError",
        "message": "Not an image.",
    }


@pytest.mark.parametrize(
    ("status", "type_name", "expected"),
    [
        (404, "ModelNotFoundException", ModelNotReadyError),
        (404, "ModelVersionNotFoundException", ModelNotReadyError),
        (503, "ServiceUnavailableException", OverloadedError),
        (503, "InternalServerException", ModelServerError),
        (500, "InternalServerException", ModelServerError),
        (500, "UnreadableImageError", ModelServerError),
        (400, "BadRequestException", ModelServerError),
        (404, "ResourceNotFoundException", ModelServerError),
        (405, "MethodNotAllowedException", ModelServerError),
    ],
)
def test_errors_of_torchserve_itself_are_told_apart(
    asker: TorchServeClient,
    torchserve: FakeTorchServe,
    status: int,
    type_name: str,
    expected: type[WebUIError],
) -> None:
    torchserve.will_answer_error(status, type_name)
    with pytest.raises(expected):
        asker.predict(IMAGE)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", ModelServerError),
        (200, b"<html>", ModelServerError),
        (200, b"\xff\xfe", ModelServerError),
        (200, {"label": "zebra"}, ModelServerError),
        (200, [], ModelServerError),
        (200, {"predictions": []}, RejectedImageError),
        (302, b"", ModelServerError),
        (302, {"type": "UnreadableImageError", "message": "?"}, ModelServerError),
        (400, b"", ModelServerError),
        (400, {"code": 400, "message": "no type"}, ModelServerError),
        (400, {"type": "UnreadableImageError", "message": None}, ModelServerError),
        (400, [1, 2], ModelServerError),
        (413, b"", UploadTooLargeError),
        (503, b"garbage", ModelServerError),
    ],
)
def test_unexpected_answers_do_not_get_through(
    asker: TorchServeClient,
    torchserve: FakeTorchServe,
    status: int,
    body: object,
    expected: type[WebUIError],
) -> None:
    torchserve.will_answer(status, body)
    with pytest.raises(expected):
        asker.predict(IMAGE)


@pytest.mark.parametrize(
    ("states", "expected", "seconds"),
    [
        (["READY", "READY"], OverloadedError, "1"),
        (["UNLOADING", "READY"], OverloadedError, "1"),
        (["UNLOADING", "UNLOADING"], ModelNotReadyError, "5"),
        ([], ModelNotReadyError, "5"),
    ],
)
def test_a_full_queue_is_told_from_a_model_without_workers(
    asker: TorchServeClient,
    torchserve: FakeTorchServe,
    states: list[str],
    expected: type[WebUIError],
    seconds: str,
) -> None:
    torchserve.will_answer_error(503, "ServiceUnavailableException")
    torchserve.will_describe(200, [{"workers": [{"status": state} for state in states]}])
    with pytest.raises(expected) as raised:
        asker.predict(IMAGE)
    assert raised.value.headers["Retry-After"] == seconds


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"garbage"),
        (404, {"code": 404, "type": "ModelNotFoundException", "message": ""}),
        (500, b""),
        (503, {"code": 503, "type": "ServiceUnavailableException", "message": ""}),
    ],
)
def test_a_503_is_told_even_where_the_workers_cannot_be_asked_for(
    asker: TorchServeClient, torchserve: FakeTorchServe, status: int, body: object
) -> None:
    torchserve.will_answer_error(503, "ServiceUnavailableException")
    torchserve.will_describe(status, body)
    with pytest.raises(ModelNotReadyError, match="more pictures waiting"):
        asker.predict(IMAGE)


@pytest.mark.parametrize("status", [500, 507])
def test_a_picture_whose_worker_died_is_sent_once_more(
    asker: TorchServeClient, torchserve: FakeTorchServe, status: int
) -> None:
    torchserve.will_answer_error(status, "InternalServerException", WORKER_DIED)
    assert asker.predict(IMAGE) == torchserve.prediction
    assert torchserve.images == [IMAGE, IMAGE]


def test_a_picture_whose_worker_died_twice_has_to_wait(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    for _ in range(2):
        torchserve.will_answer_error(500, "InternalServerException", WORKER_DIED)
    with pytest.raises(ModelNotReadyError, match="started again"):
        asker.predict(IMAGE)
    assert len(torchserve.images) == 2


@pytest.mark.parametrize(
    ("status", "type_name", "message"),
    [
        (500, "InternalServerException", "Something else."),
        (500, "OtherException", WORKER_DIED),
        (502, "InternalServerException", WORKER_DIED),
    ],
)
def test_other_errors_are_not_asked_for_again(
    asker: TorchServeClient, torchserve: FakeTorchServe, status: int, type_name: str, message: str
) -> None:
    torchserve.will_answer_error(status, type_name, message)
    with pytest.raises(ModelServerError):
        asker.predict(IMAGE)
    assert len(torchserve.images) == 1


def test_reset_connection_is_tried_once_more(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, b"", reset=True)
    assert asker.predict(IMAGE) == torchserve.prediction
    assert len(torchserve.images) == 2


def test_connection_reset_twice_is_unreachable(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, b"", reset=True)
    torchserve.will_answer(200, b"", reset=True)
    with pytest.raises(ModelServerUnreachableError):
        asker.predict(IMAGE)
    assert len(torchserve.images) == 2


def test_slow_answer_is_a_timeout_and_not_asked_for_again(
    settings: Settings, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, torchserve.prediction, delay=0.6)
    asker = TorchServeClient(replace(settings, torchserve_timeout_seconds=0.2))
    with pytest.raises(ModelServerTimeoutError, match=r"within 0\.2 seconds"):
        asker.predict(IMAGE)
    assert len(torchserve.images) == 1


def test_refused_connection_is_unreachable(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    asker = TorchServeClient(replace(settings, torchserve_inference_port=port))
    with pytest.raises(ModelServerUnreachableError, match="make serve"):
        asker.predict(IMAGE)


def test_missing_key_file_is_unreachable(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    torchserve.key_file.unlink()
    with pytest.raises(ModelServerUnreachableError, match="make serve"):
        asker.predict(IMAGE)


def test_model_is_ready_when_every_worker_is(asker: TorchServeClient) -> None:
    asker.require_ready()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, [{"workers": []}], ModelNotReadyError),
        (200, [{"workers": [{"status": "UNLOADING"}]}], ModelNotReadyError),
        (200, [{"workers": [{"status": "READY"}, {"status": "UNLOADING"}]}], ModelNotReadyError),
        (200, [{"workers": [{"id": "9000"}]}], ModelNotReadyError),
        (404, {"code": 404, "type": "ModelNotFoundException", "message": ""}, ModelNotReadyError),
        (200, [], ModelServerError),
        (200, [{}], ModelServerError),
        (200, b"garbage", ModelServerError),
        (500, b"", ModelServerError),
    ],
)
def test_model_is_not_ready_otherwise(
    asker: TorchServeClient,
    torchserve: FakeTorchServe,
    status: int,
    body: object,
    expected: type[WebUIError],
) -> None:
    torchserve.will_describe(status, body)
    with pytest.raises(expected):
        asker.require_ready()
