"""The handler as TorchServe runs it: from the unpacked archive, under TorchServe's own Context."""

import importlib.util
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from ts.context import Context, RequestProcessor
from ts.utils.util import list_classes_from_module

from model.classifier import Classifier
from tests.conftest import SHIPPED_ARCHIVE, encode

BATCH_SIZE = 4


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
def make_context(model_directory: Path) -> Any:
    def make(requests: int) -> Context:
        context = Context(
            model_name="cifar10",
            model_dir=str(model_directory),
            manifest=json.loads((model_directory / "MAR-INF" / "MANIFEST.json").read_text()),
            batch_size=BATCH_SIZE,
            gpu=None,
            mms_version="0.12.0",
            model_yaml_config=yaml.safe_load((model_directory / "model-config.yaml").read_text()),
        )
        context.request_processor = [RequestProcessor({}) for _ in range(requests)]
        return context

    return make


@pytest.fixture(scope="module")
def handler(handler_module: Any, make_context: Any) -> Any:
    instance = handler_module.ImageHandler()
    instance.initialize(make_context(0))
    return instance


def test_the_module_defines_the_one_class_that_torchserve_looks_for(handler_module: Any) -> None:
    assert [found.__name__ for found in list_classes_from_module(handler_module)] == [
        "ImageHandler"
    ]


def test_a_picture_gets_the_offline_answer(handler: Any, make_context: Any, png: bytes) -> None:
    context = make_context(1)
    (body,) = handler.handle([{"body": bytearray(png)}], context)
    assert json.loads(body) == Classifier.load(SHIPPED_ARCHIVE).classify(png)
    assert context.get_response_status(0)[0] == 200
    assert context.get_response_content_type(0) == "application/json"


def test_body_and_multipart_field_are_the_same(handler: Any, make_context: Any, png: bytes) -> None:
    body, data = handler.handle([{"body": bytearray(png)}, {"data": png}], make_context(2))
    assert json.loads(body)["label"] == json.loads(data)["label"]


def test_a_bad_picture_fails_alone(handler: Any, make_context: Any, png: bytes) -> None:
    red = encode(Image.new("RGB", (32, 32), "red"))
    rows = [{"body": png}, {"body": b"no picture"}, {"body": red}, {"body": png[:50]}]
    context = make_context(4)
    answers = [json.loads(body) for body in handler.handle(rows, context)]
    assert [context.get_response_status(index)[0] for index in range(4)] == [200, 415, 200, 400]
    classifier = Classifier.load(SHIPPED_ARCHIVE)
    for index, picture in ((0, png), (2, red)):
        expected = classifier.classify(picture)["probabilities"]
        assert answers[index]["probabilities"] == pytest.approx(expected, abs=1e-5)
    for index, code, kind in ((1, 415, "UnsupportedFormatError"), (3, 400, "UnreadableImageError")):
        assert answers[index]["code"] == code
        assert answers[index]["type"] == kind
        assert set(answers[index]) == {"code", "type", "message"}


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"body": b""}, "EmptyBodyError"),
        ({}, "EmptyBodyError"),
        ({"body": {"parsed": "JSON"}}, "UnreadableImageError"),
        ({"body": [1, 2]}, "UnreadableImageError"),
        ({"body": "text"}, "UnreadableImageError"),
        ({"other": b"field"}, "EmptyBodyError"),
    ],
)
def test_what_is_no_picture_is_a_400_with_its_type(
    handler: Any, make_context: Any, row: dict[str, Any], kind: str
) -> None:
    context = make_context(1)
    (body,) = handler.handle([row], context)
    assert json.loads(body)["type"] == kind
    assert json.loads(body)["message"]
    assert context.get_response_status(0) == (400, "Bad Request")


def test_a_batch_of_nothing_but_bad_pictures_is_answered(handler: Any, make_context: Any) -> None:
    bodies = handler.handle([{"body": b"x"}, {"body": b"y"}], make_context(2))
    assert [json.loads(body)["code"] for body in bodies] == [415, 415]


def test_a_describe_header_changes_nothing(handler: Any, make_context: Any, png: bytes) -> None:
    context = make_context(1)
    context.request_processor = [RequestProcessor({"describe": "True", "explain": "True"})]
    (body,) = handler.handle([{"body": png}], context)
    assert "label" in json.loads(body)


def test_initialize_answers_once_so_that_the_first_request_is_warm(
    handler_module: Any, make_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_sizes = []
    monkeypatch.setattr(
        handler_module.Classifier,
        "probabilities",
        lambda _self, pixels: batch_sizes.append(len(pixels)),
    )
    handler_module.ImageHandler().initialize(make_context(0))
    assert sorted(batch_sizes) == [1, BATCH_SIZE]
