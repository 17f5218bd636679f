import base64
import json
import socket
from struct import pack
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ts.protocol import otf_message_handler
from ts.service import Service
from ts.utils.util import list_classes_from_module

from model.images.preprocessing import prepare
from model.inference.classifier import Classifier
from tests.handler.conftest import EXAMPLES
from tests.helpers.pictures import RED, SHIPPED_ARCHIVE, as_instances, encode


def assert_error(document: dict[str, Any], code: int, kind: str) -> None:
    assert set(document) == {"code", "type", "message"}
    assert (document["code"], document["type"]) == (code, kind)
    assert document["message"]


def test_the_module_defines_the_one_class_that_torchserve_looks_for(handler_module: Any) -> None:
    assert [found.__name__ for found in list_classes_from_module(handler_module)] == [
        "ImageHandler"
    ]


def test_a_picture_gets_the_offline_answer(answer_of: Any, png: bytes) -> None:
    status, answer = answer_of({"body": png})
    offline = Classifier.load(SHIPPED_ARCHIVE).classify(png)
    assert status == 200
    assert list(answer) == list(offline)
    assert answer["probabilities"] == pytest.approx(offline["probabilities"], abs=1e-5)
    for key in ("label", "model", "image"):
        assert answer[key] == offline[key]
    assert answer["image"] == {"format": "PNG", "width": 48, "height": 32, "fit": "resize"}


@pytest.mark.parametrize(
    ("row", "code", "kind"),
    [
        ({"data": b""}, 400, "EmptyBodyError"),
        ({}, 400, "EmptyBodyError"),
        ({"body": b"text"}, 415, "UnsupportedFormatError"),
        ({"body": b"\x89PNG\r\n\x1a\n"}, 400, "UnreadableImageError"),
        ({"body": b"P6 8001 8001 255 "}, 413, "ImageTooLargeError"),
        ({"other": RED}, 400, "InvalidRequestError"),
    ],
)
def test_what_is_not_a_picture_has_its_own_error(
    answer_of: Any, row: dict[str, bytes], code: int, kind: str
) -> None:
    status, document = answer_of(row)
    assert status == code
    assert_error(document, code, kind)


def assert_shows(answer: dict[str, Any], picture: bytes) -> None:
    """An answer ends with the pixels that the net sees of a picture."""
    head, _, text = answer["model_input"].partition(",")
    shown = prepare(base64.b64decode(text), 32)
    assert list(answer)[-1] == "model_input"
    assert head == "data:image/png;base64"
    assert np.array_equal(shown.pixels, prepare(picture, 32).pixels)
    assert (shown.format, shown.width, shown.height) == ("PNG", 32, 32)


def test_the_model_input_is_shown_only_to_who_asked(
    handler: Any, make_context: Any, png: bytes
) -> None:
    context = make_context(3, [{}, {"model_input": "true"}, {}])
    bodies = handler.handle([{"body": png}, {"body": RED}, {"body": png}], context)
    first, asked, last = (json.loads(body) for body in bodies)
    assert_shows(asked, RED)
    assert "model_input" not in first
    assert first == last


def test_an_explanation_comes_only_to_who_asked(
    handler: Any, make_context: Any, png: bytes
) -> None:
    context = make_context(3, [{}, {"explain": "True", "class": "ship"}, {"explain": "True"}])
    bodies = handler.handle([{"body": RED}, {"body": png}, {"body": as_instances(RED)}], context)
    plain, one, instance = (json.loads(body) for body in bodies)
    assert "explanation" not in plain
    offline = Classifier.load(SHIPPED_ARCHIVE)
    expected = offline.explain(offline.prepare(png), "ship")
    assert one["explanation"]["heat"]["ship"] == pytest.approx(
        np.array(expected["heat"]["ship"]), abs=2e-3
    )
    (prediction,) = instance["predictions"]
    assert list(prediction["explanation"]["heat"]) == list(prediction["probabilities"])


@pytest.mark.parametrize(
    ("row", "code", "kind"),
    [
        ({"data": RED, "class": "häuser".encode()}, 400, "InvalidParameterError"),
        ({"body": as_instances(RED, RED)}, 413, "TooManyInstancesError"),
        ({"body": b"x"}, 415, "UnsupportedFormatError"),
        ({"body": as_instances(b"x")}, 415, "UnsupportedFormatError"),
    ],
)
def test_what_cannot_be_explained_has_an_error(
    answer_of: Any, row: dict[str, bytes], code: int, kind: str
) -> None:
    status, document = answer_of(row, {"explain": "True"})
    assert status == code
    assert_error(document, code, kind)


def test_each_instance_has_its_answer_or_error_in_its_place(answer_of: Any, png: bytes) -> None:
    body = as_instances(png, b"not a picture", None, {"b64": "?"}, RED, b"")
    status, document = answer_of({"data": body}, {"model_input": "true", "top_k": "1"})
    assert status == 200
    assert list(document) == ["predictions"]
    predictions = document["predictions"]
    for index, picture in ((0, png), (4, RED)):
        alone = answer_of({"body": picture}, {"top_k": "1"})[1]
        assert predictions[index]["label"] == alone["label"]
        assert predictions[index]["image"] == alone["image"]
        assert predictions[index]["probabilities"] == pytest.approx(
            alone["probabilities"], abs=1e-6
        )
        assert_shows(predictions[index], picture)
    assert_error(predictions[1], 415, "UnsupportedFormatError")
    assert_error(predictions[2], 400, "InvalidRequestError")
    assert_error(predictions[3], 400, "InvalidRequestError")
    assert_error(predictions[5], 400, "EmptyBodyError")


@pytest.mark.parametrize(
    ("bad", "code", "kind"),
    [
        ((b"not a picture", {}), 415, "UnsupportedFormatError"),
        (({}, b"not a picture"), 400, "InvalidRequestError"),
        ((b"P6 8001 8001 255 ",), 413, "ImageTooLargeError"),
    ],
)
def test_where_all_instances_are_bad_the_first_ones_error_is_the_answer(
    answer_of: Any, bad: tuple[Any, ...], code: int, kind: str
) -> None:
    status, document = answer_of({"body": as_instances(*bad)})
    assert status == code
    assert_error(document, code, kind)


def test_instances_of_too_much_work_together_are_refused_from_there_on(answer_of: Any) -> None:
    """Whether they are readable or not: what fails at its end costs as much."""
    large = encode(Image.new("1", (4000, 4000)))
    damaged = large[:-60] + large[-12:]
    _, document = answer_of({"body": as_instances(RED, large, damaged, large, large, large, b"x")})
    first, second, third, *others, last = document["predictions"]
    assert "label" in first
    assert "label" in second
    assert_error(third, 400, "UnreadableImageError")
    assert ["label" in each for each in others] == [True, False, False]
    assert_error(others[-1], 413, "ImageTooLargeError")
    assert "request of its own" in others[-1]["message"]
    assert_error(last, 415, "UnsupportedFormatError")


def test_only_grpc_is_told_that_no_other_answer_follows(handler: Any, make_context: Any) -> None:
    """REST would send the answer without its head."""
    context = make_context(2, [{"body": {"content-type": ""}}, {"Host": "localhost"}])
    handler.handle([{"body": RED}, {"body": RED}], context)
    headers = [context.get_response_headers(index) for index in range(2)]
    assert [each.get("ts_stream_next") for each in headers] == ["false", None]


@pytest.mark.parametrize("content_type", [b"application/json", b"text/plain"])
def test_torchserve_leaves_bodies_as_they_are(handler: Any, content_type: bytes) -> None:
    assert handler
    ours, theirs = socket.socketpair()
    parts = (b"id", None, b"body", content_type, b"{\xff", None, None)
    with ours, theirs:
        theirs.sendall(
            b"I"
            + b"".join(
                pack("!i", -1 if part is None else len(part)) + (part or b"") for part in parts
            )
        )
        _, (request,) = otf_message_handler.retrieve_msg(ours)
    assert request["parameters"][0]["value"] == b"{\xff"


def test_a_batch_of_everything_answers_each_request_for_itself(
    handler: Any, make_context: Any, png: bytes
) -> None:
    rows = [
        {"body": png},
        {"body": as_instances(RED, b"x")},
        {"body": b""},
        {"data": RED, "top_k": b"1"},
        {"body": b"{"},
        {"body": png},
        {"image": png},
        {"body": as_instances(b"x")},
        {},
    ]
    headers = [{}, {"top_k": "2"}, {}, {"top_k": "5"}, {}, {"Top-K": "none"}, {}, {}]
    headers.append({"describe": "True"})
    context = make_context(9, headers)
    answers = [json.loads(body) for body in handler.handle(rows, context)]
    statuses = [context.get_response_status(index)[0] for index in range(9)]
    types = {context.get_response_content_type(index) for index in range(9)}
    assert statuses == [200, 200, 400, 200, 400, 400, 400, 415, 200]
    assert types == {"application/json"}
    classifier = Classifier.load(SHIPPED_ARCHIVE)
    assert answers[0]["label"] == classifier.classify(png)["label"]
    assert len(answers[0]["probabilities"]) == 10
    assert answers[1]["predictions"][0]["label"] == classifier.classify(RED)["label"]
    assert len(answers[1]["predictions"][0]["probabilities"]) == 2
    assert_error(answers[1]["predictions"][1], 415, "UnsupportedFormatError")
    assert_error(answers[2], 400, "EmptyBodyError")
    # The field is nearer to the picture than the header.
    assert list(answers[3]["probabilities"]) == [classifier.classify(RED)["label"]]
    assert_error(answers[4], 400, "InvalidRequestError")
    assert_error(answers[5], 400, "InvalidParameterError")
    assert_error(answers[6], 400, "InvalidRequestError")
    assert_error(answers[7], 415, "UnsupportedFormatError")
    assert answers[8]["class_names"] == [*classifier.card.class_names]
    assert answers[8]["examples"] == EXAMPLES


def test_torchserve_finds_an_answer_for_every_request_of_a_batch(
    handler: Any, make_context: Any, png: bytes
) -> None:
    """TorchServe's own service calls it and packs the answers."""
    service = Service.__new__(Service)
    service._context = make_context(0)  # noqa: SLF001
    service._entry_point = handler.handle  # noqa: SLF001
    service.cl_socket = None
    # The handler puts its own measurements there.
    service.context.metrics = handler._metrics  # noqa: SLF001
    batch = [
        {
            "requestId": f"request-{index}".encode(),
            "headers": [{"name": b"top_k", "value": b"1"}],
            "parameters": [{"name": "body", "contentType": "image/png", "value": body}],
        }
        for index, body in enumerate((png, b"x", as_instances(png)))
    ]
    packed = bytes(service.predict(batch))
    for part in (b"Prediction success", b"request-0", b"request-1", b"request-2"):
        assert packed.count(part) == 1
    # As the content type, and once more among the headers.
    assert packed.count(b"application/json") == 2 * 3
    assert packed.count(b"UnsupportedFormatError") == 1
    assert packed.count(b'"label"') == 2


def test_initialize_answers_once_so_that_the_first_request_is_warm(
    handler: Any, handler_module: Any, make_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handler is not None
    shapes = []
    compute = handler_module.Classifier.compute

    def watched(net: Any, pixels: Any) -> Any:
        shapes.append((pixels.shape, pixels.dtype))
        return compute(net, pixels)

    monkeypatch.setattr(handler_module.Classifier, "compute", watched)
    handler_module.ImageHandler().initialize(make_context(0))
    assert shapes == [((1, 32, 32, 3), np.uint8)]
