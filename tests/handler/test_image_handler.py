import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.inference.classifier import Classifier
from tests.handler.conftest import EXAMPLES
from tests.helpers.pictures import RED, SHIPPED_ARCHIVE, as_instances, encode


def assert_error(document: dict[str, Any], code: int, kind: str) -> None:
    assert set(document) == {"code", "type", "message"}
    assert (document["code"], document["type"]) == (code, kind)
    assert document["message"]


def test_the_model_input_is_shown_only_to_who_asked(
    handler: Any, make_context: Any, png: bytes
) -> None:
    context = make_context(3, [{}, {"model_input": "true"}, {}])
    bodies = handler.handle([{"body": png}, {"body": RED}, {"body": png}], context)
    first, asked, last = (json.loads(body) for body in bodies)
    assert "model_input" in asked
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
        ({"body": as_instances(b"x")}, 415, "UnsupportedFormatError"),
    ],
)
def test_what_cannot_be_explained_has_an_error(
    answer_of: Any, row: dict[str, bytes], code: int, kind: str
) -> None:
    status, document = answer_of(row, {"explain": "True"})
    assert status == code
    assert_error(document, code, kind)


@pytest.mark.parametrize(
    ("bad", "code", "kind"),
    [
        ((b"not a picture", {}), 415, "UnsupportedFormatError"),
        (({}, b"not a picture"), 400, "InvalidRequestError"),
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
