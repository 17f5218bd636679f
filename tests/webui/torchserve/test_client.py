"""Each thing that TorchServe can say, or not say, becomes one exception."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from benchmarks.common.server import free_ports
from tests.helpers.fake_torchserve import (
    MODEL_INPUT,
    WORKER_DIED,
    Answer,
    FakeTorchServe,
    error_answer,
)
from webui.errors import WebUIError
from webui.settings import Settings
from webui.torchserve import errors
from webui.torchserve.client import TorchServeClient

IMAGE = b"\x89PNG\x00\xff and so on"


@pytest.fixture
def asker(settings: Settings) -> TorchServeClient:
    return TorchServeClient(settings)


def test_picture_is_sent_as_it_is(asker: TorchServeClient, torchserve: FakeTorchServe) -> None:
    assert asker.predict(IMAGE) == torchserve.prediction
    # A header asks for the pixels that the model saw.
    assert asker.predict(IMAGE, with_model_input=True)["model_input"] == MODEL_INPUT
    assert torchserve.images == [IMAGE] * 2
    assert torchserve.model_inputs == [None, "true"]
    assert torchserve.content_types == ["application/octet-stream"] * 2


def test_key_file_is_read_again_when_torchserve_was_restarted(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    asker.predict(IMAGE)
    torchserve.replace_key("inference")
    torchserve.write_key_file()
    asker.predict(IMAGE)
    assert torchserve.renewals == []


def test_expired_keys_are_renewed_once(asker: TorchServeClient, torchserve: FakeTorchServe) -> None:
    torchserve.replace_key("inference")
    for _ in range(2):
        asker.predict(IMAGE)
    torchserve.replace_key("management")
    for _ in range(2):
        asker.fetch_workers()
    assert torchserve.renewals == ["inference", "management"]


def test_threads_that_meet_an_expired_key_renew_it_once(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    torchserve.replace_key("inference")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(asker.predict, [IMAGE] * 32))
    assert answers == [torchserve.prediction] * 32
    assert torchserve.renewals == ["inference"]


def test_an_expired_key_is_renewed_without_a_key_file(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    asker.predict(IMAGE)
    torchserve.key_file.unlink()
    torchserve.replace_key("inference")
    assert asker.predict(IMAGE) == torchserve.prediction


def test_keys_that_a_full_disk_has_lost_are_renewed_once_there_is_space(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    asker.predict(IMAGE)
    torchserve.disk_is_full = True
    torchserve.replace_key("inference")
    for _ in range(2):
        with pytest.raises(errors.ModelServerKeyError):
            asker.predict(IMAGE)
    torchserve.disk_is_full = False
    assert asker.predict(IMAGE) == torchserve.prediction


def test_key_refused_after_renewal_is_a_key_error(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer_error(400, "InvalidKeyException", times=2)
    with pytest.raises(errors.ModelServerKeyError):
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


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, {"type": "ModelNotFoundException", "message": ""}, errors.ModelNotReadyError),
        (404, {"type": "ResourceNotFoundException", "message": ""}, errors.ModelServerError),
        (400, {"type": "BadRequestException", "message": ""}, errors.ModelServerError),
        (503, {"type": "ServiceUnavailableException", "message": ""}, errors.OverloadedError),
        (503, {"type": "InternalServerException", "message": ""}, errors.ModelServerError),
        (500, {"type": "UnreadableImageError", "message": ""}, errors.ModelServerError),
        (302, {"type": "UnreadableImageError", "message": ""}, errors.ModelServerError),
        (400, {"code": 400, "message": "no type"}, errors.ModelServerError),
        (400, b"", errors.ModelServerError),
        (413, b"", errors.RejectedImageError),
        (500, {"type": "OtherException", "message": WORKER_DIED}, errors.ModelServerError),
        (200, {"label": "zebra"}, errors.ModelServerError),
        (200, {"predictions": []}, errors.RejectedImageError),
    ],
)
def test_other_answers_to_a_picture_are_errors(
    asker: TorchServeClient,
    torchserve: FakeTorchServe,
    status: int,
    body: object,
    expected: type[WebUIError],
) -> None:
    torchserve.will_answer(status, body)
    with pytest.raises(expected):
        asker.predict(IMAGE)
    assert len(torchserve.images) == 1


def test_a_full_queue_differs_from_a_version_without_workers(
    asker: TorchServeClient, torchserve: FakeTorchServe
) -> None:
    torchserve.workers = {"7.3": ["UNLOADING"], "8.0": ["UNLOADING", "READY"], "7.2": []}
    torchserve.default = "8.0"
    for version, expected in (
        ("8.0", errors.OverloadedError),
        (None, errors.OverloadedError),
        ("7.3", errors.ModelNotReadyError),
        ("7.2", errors.ModelNotReadyError),
    ):
        torchserve.will_answer_error(503, "ServiceUnavailableException")
        with pytest.raises(expected):
            asker.predict(IMAGE, version)


LOSSES = [
    Answer(200, b"", reset=True),
    error_answer(500, "InternalServerException", WORKER_DIED),
    error_answer(507, "InternalServerException", WORKER_DIED),
]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_picture_that_was_lost_is_sent_once_more(
    asker: TorchServeClient, torchserve: FakeTorchServe, loss: Answer
) -> None:
    torchserve.answers.append(loss)
    assert asker.predict(IMAGE) == torchserve.prediction
    assert torchserve.images == [IMAGE, IMAGE]


@pytest.mark.parametrize(
    ("loss", "expected", "words"),
    [
        (LOSSES[0], errors.ModelServerUnreachableError, "make serve"),
        (LOSSES[2], errors.ModelNotReadyError, "restarts by itself"),
    ],
)
def test_a_picture_that_was_lost_twice_is_an_error(
    asker: TorchServeClient,
    torchserve: FakeTorchServe,
    loss: Answer,
    expected: type[WebUIError],
    words: str,
) -> None:
    torchserve.answers.extend([loss, loss])
    with pytest.raises(expected, match=words) as raised:
        asker.predict(IMAGE)
    assert raised.value.headers == {"Retry-After": "5"}
    assert len(torchserve.images) == 2


def test_slow_answer_is_a_timeout_and_not_asked_for_again(
    settings: Settings, torchserve: FakeTorchServe
) -> None:
    torchserve.will_answer(200, torchserve.prediction, delay=0.6)
    asker = TorchServeClient(replace(settings, torchserve_timeout_seconds=0.2))
    with pytest.raises(errors.ModelServerTimeoutError, match=r"within 0\.2 seconds") as raised:
        asker.predict(IMAGE)
    assert raised.value.code == 504
    assert len(torchserve.images) == 1


def test_refused_connection_is_unreachable(settings: Settings) -> None:
    (port,) = free_ports(1)
    asker = TorchServeClient(replace(settings, torchserve_inference_port=port))
    with pytest.raises(errors.ModelServerUnreachableError, match="make serve") as raised:
        asker.predict(IMAGE)
    assert raised.value.code == 502
