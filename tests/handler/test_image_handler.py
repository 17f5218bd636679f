"""The handler as TorchServe runs it: from the unpacked archive, under TorchServe's own Context."""

import base64
import importlib.util
import json
import logging
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from ts.context import Context, RequestProcessor
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.protocol import otf_message_handler
from ts.service import Service
from ts.utils.util import list_classes_from_module

from model.classifier import Classifier
from model.preprocessing import prepare
from tests.conftest import SHIPPED_ARCHIVE, encode
from tests.fuzz.mutations import repair_png

BATCH_SIZE = 8
RED = encode(Image.new("RGB", (32, 32), "red"))


def instances(*images: bytes | object) -> bytes:
    """The KServe v1 shape; what is no bytes stands in for an instance as it is."""
    return json.dumps(
        {
            "instances": [
                {"b64": base64.b64encode(image).decode()} if isinstance(image, bytes) else image
                for image in images
            ]
        }
    ).encode()


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("archive")
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as archive:
        archive.extractall(directory)
    return directory


@pytest.fixture(scope="module")
def handler_module(model_directory: Path) -> Iterator[Any]:
    specification = importlib.util.spec_from_file_location(
        "image_handler", model_directory / "image_handler.py"
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["image_handler"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["image_handler"]


@pytest.fixture(scope="module")
def make_context(model_directory: Path, metrics: MetricsCacheYamlImpl) -> Any:
    def make(requests: int, headers: list[dict[str, str]] | None = None) -> Context:
        context = Context(
            model_name="cifar10",
            model_dir=str(model_directory),
            manifest=json.loads((model_directory / "MAR-INF" / "MANIFEST.json").read_text()),
            batch_size=BATCH_SIZE,
            gpu=None,
            mms_version="0.12.0",
            metrics=metrics,
            model_yaml_config=yaml.safe_load((model_directory / "model-config.yaml").read_text()),
        )
        context.request_processor = [RequestProcessor(each) for each in headers or [{}] * requests]
        return context

    return make


@pytest.fixture(scope="module")
def handler(handler_module: Any, make_context: Any) -> Iterator[Any]:
    """Loaded once; what it changes in TorchServe's modules for all is taken back."""
    names = ("_retrieve_buffer", "_retrieve_inference_msg")
    originals = {name: getattr(otf_message_handler, name) for name in names}
    level, metrics_level = (logging.getLogger(name).level for name in ("", "ts.metrics"))
    instance = handler_module.ImageHandler()
    instance.initialize(make_context(0))
    yield instance
    for name, original in originals.items():
        setattr(otf_message_handler, name, original)
    logging.getLogger().setLevel(level)
    logging.getLogger("ts.metrics").setLevel(metrics_level)


@pytest.fixture(scope="module")
def answer_of(handler: Any, make_context: Any) -> Any:
    """Ask for one request; gives status and document."""

    def ask(row: dict[str, bytes], headers: dict[str, str] | None = None) -> tuple[int, Any]:
        context = make_context(1, [headers or {}])
        (body,) = handler.handle([row], context)
        assert context.get_response_content_type(0) == "application/json"
        return context.get_response_status(0)[0], json.loads(body)

    return ask


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


def test_body_and_multipart_field_are_the_same(answer_of: Any, png: bytes) -> None:
    assert answer_of({"body": png}) == answer_of({"data": png})


def test_a_bad_picture_fails_alone(handler: Any, make_context: Any, png: bytes) -> None:
    rows = [{"body": png}, {"body": b"no picture"}, {"body": RED}, {"body": png[:50]}]
    context = make_context(4)
    answers = [json.loads(body) for body in handler.handle(rows, context)]
    assert [context.get_response_status(index)[0] for index in range(4)] == [200, 415, 200, 400]
    classifier = Classifier.load(SHIPPED_ARCHIVE)
    for index, picture in ((0, png), (2, RED)):
        expected = classifier.classify(picture)["probabilities"]
        assert answers[index]["probabilities"] == pytest.approx(expected, abs=1e-5)
    assert_error(answers[1], 415, "UnsupportedFormatError")
    assert_error(answers[3], 400, "UnreadableImageError")


@pytest.mark.parametrize(
    ("row", "code", "kind"),
    [
        ({"body": b""}, 400, "EmptyBodyError"),
        ({"data": b""}, 400, "EmptyBodyError"),
        ({}, 400, "EmptyBodyError"),
        ({"top_k": b"1"}, 400, "EmptyBodyError"),
        ({"body": b"text"}, 415, "UnsupportedFormatError"),
        ({"body": b"\0"}, 415, "UnsupportedFormatError"),
        ({"body": b"\x89PNG\r\n\x1a\n"}, 400, "UnreadableImageError"),
        ({"body": b"P6 8001 8001 255 "}, 413, "ImageTooLargeError"),
        ({"other": RED}, 400, "InvalidRequestError"),
    ],
)
def test_what_is_no_picture_has_its_own_error(
    answer_of: Any, row: dict[str, bytes], code: int, kind: str
) -> None:
    status, document = answer_of(row)
    assert status == code
    assert_error(document, code, kind)


def test_a_batch_of_nothing_but_bad_pictures_is_answered(handler: Any, make_context: Any) -> None:
    bodies = handler.handle([{"body": b"x"}, {"body": b"y"}], make_context(2))
    assert [json.loads(body)["code"] for body in bodies] == [415, 415]


def test_headers_that_mean_something_to_torchserve_change_nothing(
    answer_of: Any, png: bytes
) -> None:
    plain = answer_of({"body": png})
    for headers in ({"describe": "True"}, {"explain": "True"}, {"Content-Type": "text/plain"}):
        assert answer_of({"body": png}, headers) == plain


def assert_shows(answer: dict[str, Any], picture: bytes) -> None:
    """An answer ends with the pixels that the net sees of a picture."""
    head, _, text = answer["model_input"].partition(",")
    shown = prepare(base64.b64decode(text), 32)
    assert list(answer)[-1] == "model_input"
    assert head == "data:image/png;base64"
    assert np.array_equal(shown.pixels, prepare(picture, 32).pixels)
    assert (shown.format, shown.width, shown.height) == ("PNG", 32, 32)


@pytest.mark.parametrize("name", ["model_input", "Model-Input"])
def test_the_model_input_is_shown_where_a_header_asks(
    answer_of: Any, png: bytes, name: str
) -> None:
    status, shown = answer_of({"body": png}, {name: "true"})
    assert status == 200
    assert_shows(shown, png)
    del shown["model_input"]
    assert shown == answer_of({"body": png})[1]


def test_the_model_input_is_shown_where_a_form_asks(answer_of: Any, png: bytes) -> None:
    assert_shows(answer_of({"data": png, "model_input": b"True"})[1], png)
    plain = answer_of({"data": png})
    assert answer_of({"data": png, "model_input": b"false"}, {"model_input": "true"}) == plain


def test_each_instance_shows_its_own_model_input(answer_of: Any, png: bytes) -> None:
    body = instances(png, b"no picture", RED)
    status, document = answer_of({"body": body}, {"model_input": "true", "top_k": "1"})
    first, error, last = document["predictions"]
    assert status == 200
    assert_shows(first, png)
    assert_error(error, 415, "UnsupportedFormatError")
    assert_shows(last, RED)
    assert len(first["probabilities"]) == 1


def test_an_error_is_the_same_where_the_model_input_is_asked_for(answer_of: Any) -> None:
    for row in ({"body": b"no picture"}, {"body": b""}, {}, {"body": b"\x89PNG\r\n\x1a\n"}):
        assert answer_of(row, {"model_input": "true"}) == answer_of(row)


def test_a_model_input_that_is_neither_true_nor_false_is_an_error(
    answer_of: Any, png: bytes
) -> None:
    status, document = answer_of({"body": png}, {"model_input": "yes"})
    assert status == 400
    assert_error(document, 400, "InvalidParameterError")
    assert document["message"] == "model_input must be true or false."


def test_the_model_input_is_shown_to_none_but_who_asked(
    handler: Any, make_context: Any, png: bytes
) -> None:
    context = make_context(3, [{}, {"model_input": "true"}, {}])
    bodies = handler.handle([{"body": png}, {"body": RED}, {"body": png}], context)
    first, asked, last = (json.loads(body) for body in bodies)
    assert_shows(asked, RED)
    assert "model_input" not in first
    assert first == last


def test_instances_get_one_prediction_each_in_order(answer_of: Any, png: bytes) -> None:
    status, document = answer_of({"body": instances(png, RED, png)})
    alone = [answer_of({"body": picture})[1] for picture in (png, RED, png)]
    assert status == 200
    assert list(document) == ["predictions"]
    assert [each["label"] for each in document["predictions"]] == [each["label"] for each in alone]
    for together, single in zip(document["predictions"], alone, strict=True):
        assert together["probabilities"] == pytest.approx(single["probabilities"], abs=1e-6)
        assert together["image"] == single["image"]


def test_bad_instances_have_their_errors_in_place(answer_of: Any, png: bytes) -> None:
    document = instances(png, b"no picture", None, {"b64": "?"}, RED, b"")
    status, answered = answer_of({"data": document})
    predictions = answered["predictions"]
    assert status == 200
    assert predictions[0]["label"] == answer_of({"body": png})[1]["label"]
    assert predictions[4]["label"] == answer_of({"body": RED})[1]["label"]
    assert_error(predictions[1], 415, "UnsupportedFormatError")
    assert_error(predictions[2], 400, "InvalidRequestError")
    assert_error(predictions[3], 400, "InvalidRequestError")
    assert_error(predictions[5], 400, "EmptyBodyError")


@pytest.mark.parametrize(
    ("bad", "code", "kind"),
    [
        ((b"no picture", {}), 415, "UnsupportedFormatError"),
        (({}, b"no picture"), 400, "InvalidRequestError"),
        ((b"P6 8001 8001 255 ",), 413, "ImageTooLargeError"),
    ],
)
def test_where_all_instances_are_bad_the_first_ones_error_is_the_answer(
    answer_of: Any, bad: tuple[Any, ...], code: int, kind: str
) -> None:
    status, document = answer_of({"body": instances(*bad)})
    assert status == code
    assert_error(document, code, kind)


def test_instances_of_too_many_pixels_together_are_refused_from_there_on(answer_of: Any) -> None:
    large = encode(Image.new("1", (8000, 8000)))
    status, document = answer_of({"body": instances(large, RED, RED)})
    assert status == 200
    assert ["label" in each for each in document["predictions"]] == [True, True, False]
    status, document = answer_of({"body": instances(RED, large, RED, b"x")})
    assert status == 200
    first, second, third, fourth = document["predictions"]
    assert "label" in first
    assert "label" in second
    for refused in (third, fourth):
        assert_error(refused, 413, "ImageTooLargeError")
        assert "request of its own" in refused["message"]


def test_instances_that_take_too_long_are_refused_from_there_on(
    answer_of: Any, handler_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they are readable or not: what fails at its end costs as much."""
    monkeypatch.setattr(handler_module, "MAX_DECODE_SECONDS", 0.01)
    damaged = bytearray(encode(Image.new("RGB", (4000, 4000))))
    # The checksum of all rows, before the chunk's own and the empty last chunk.
    damaged[-20] ^= 1
    slow = repair_png(bytes(damaged))
    assert_error(answer_of({"body": slow})[1], 400, "UnreadableImageError")
    _, document = answer_of({"body": instances(RED, slow, RED, slow)})
    first, second, *others = document["predictions"]
    assert "label" in first
    assert_error(second, 400, "UnreadableImageError")
    for refused in others:
        assert_error(refused, 413, "ImageTooLargeError")


def test_a_batch_of_everything_answers_each_request_for_itself(
    handler: Any, make_context: Any, png: bytes
) -> None:
    rows = [
        {"body": png},
        {"body": instances(RED, b"x")},
        {"body": b""},
        {"data": RED, "top_k": b"1"},
        {"body": b"{"},
        {"body": png},
        {"image": png},
        {"body": instances(b"x")},
    ]
    headers = [{}, {"top_k": "2"}, {}, {"top_k": "5"}, {}, {"Top-K": "none"}, {}, {}]
    context = make_context(8, headers)
    answers = [json.loads(body) for body in handler.handle(rows, context)]
    statuses = [context.get_response_status(index)[0] for index in range(8)]
    types = {context.get_response_content_type(index) for index in range(8)}
    assert statuses == [200, 200, 400, 200, 400, 400, 400, 415]
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


def test_torchserve_finds_an_answer_for_every_request_of_a_batch(
    handler: Any, make_context: Any, png: bytes
) -> None:
    """TorchServe's own service calls it and packs the answers."""
    service = Service.__new__(Service)
    service._context = make_context(0)  # noqa: SLF001
    service._entry_point = handler.handle  # noqa: SLF001
    service.cl_socket = None
    # The handler puts its own measurements there.
    service.context.metrics = handler._measurements  # noqa: SLF001
    batch = [
        {
            "requestId": f"request-{index}".encode(),
            "headers": [{"name": b"top_k", "value": b"1"}],
            "parameters": [{"name": "body", "contentType": "image/png", "value": body}],
        }
        for index, body in enumerate((png, b"x", instances(png)))
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
    probabilities = handler_module.OnnxNet.probabilities

    def watched(net: Any, pixels: Any) -> Any:
        shapes.append((pixels.shape, pixels.dtype))
        return probabilities(net, pixels)

    monkeypatch.setattr(handler_module.OnnxNet, "probabilities", watched)
    handler_module.ImageHandler().initialize(make_context(0))
    assert shapes == [((1, 32, 32, 3), np.uint8)]


def test_a_damaged_archive_is_an_error_of_its_start(
    handler: Any, handler_module: Any, make_context: Any, model_directory: Path, tmp_path: Path
) -> None:
    assert handler is not None
    context = make_context(0)
    context.system_properties["model_dir"] = str(tmp_path)
    with pytest.raises(OSError, match="model_card"):
        handler_module.ImageHandler().initialize(context)
    card = (model_directory / "model_card.json").read_text()
    (tmp_path / "model_card.json").write_text(card)
    (tmp_path / "net.onnx").write_bytes(b"no graph")
    with pytest.raises(ValueError, match="ONNX"):
        handler_module.ImageHandler().initialize(context)
