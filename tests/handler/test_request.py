import base64
import json
from collections.abc import Callable

import pytest

from handler.request import (
    MAX_INSTANCES,
    ImageRequest,
    InvalidParameterError,
    InvalidRequestError,
    TooManyInstancesError,
    read_request,
)
from model.images.errors import EmptyBodyError

PICTURE = b"\x89PNG picture"
B64 = base64.b64encode(PICTURE).decode()


def errors_of(content: bytes) -> list[str]:
    return [type(image).__name__ for image in read_request({"body": content}, {}).images]


@pytest.mark.parametrize("name", ["body", "data"])
@pytest.mark.parametrize("picture", [PICTURE, b""])
def test_a_picture_is_taken_as_it_is(name: str, picture: bytes) -> None:
    assert read_request({name: picture}, {"Accept": "x"}) == ImageRequest([picture])


def test_nothing_at_all_is_empty_and_another_field_is_named() -> None:
    with pytest.raises(EmptyBodyError):
        read_request({}, {})
    with pytest.raises(EmptyBodyError):
        read_request({"top_k": b"3", "model_input": b"true"}, {})
    with pytest.raises(InvalidRequestError, match="only: file, image"):
        read_request({"image": PICTURE, "file": PICTURE}, {})
    with pytest.raises(InvalidRequestError) as caught:
        read_request({f"field {index}": b"" for index in range(1000)}, {})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        '{"instances": [{"b64": "%s"}]}',
        '  \r\n\t{"instances":[{"b64":"%s"}]}\n',
        '{"instances": [{"b64": "%s", "name": "x"}], "signature_name": "y"}',
        '{"instances": 1, "instances": [{"b64": "a", "b64": "%s"}]}',
        '{"instances": [{"\\u0062\\u0036\\u0034": "%s"}]}',
    ],
)
def test_instances_are_decoded(text: str) -> None:
    request = read_request({"body": text.replace("%s", B64).encode()}, {})
    assert request.images == [PICTURE]
    assert request.as_instances


def test_each_bad_instance_has_an_error_in_its_place() -> None:
    document = {"instances": [{"b64": B64}, {"b64": 1}, B64, None, [], {}, {"b64": "ä"}]}
    images = read_request({"data": json.dumps(document).encode()}, {}).images
    assert images[0] == PICTURE
    assert [type(image) for image in images[1:]] == [InvalidRequestError] * 6


@pytest.mark.parametrize("text", ["====", "A", "QQ=", "Q Q=", "QQ==\n", "Q-_=", "\0"])
def test_base64_with_anything_else_in_it_is_refused(text: str) -> None:
    content = json.dumps({"instances": [{"b64": text}]}).encode()
    assert errors_of(content) == ["InvalidRequestError"]


@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b"{}", b'[{"b64": ""}]', b"{\0}", b'{"instances": null}'),
        *(b'{"instances": {"b64": ""}}', b'{"instances": 1e999}', b'{"instances": [NaN]}'),
        *(b'{"instances": [{"b64": "\xff"}]}', b'{"instances": [{"b64": "\\ud800"}]}'),
        *(b'{"instances": ' + b"9" * 5000 + b"}", b'{"instances": []}\0'),
        *(b"[" * 100_000, b'{"instances":' * 100_000),
        b'{"instances": [' + b"[" * 2000 + b"]" * 2000 + b"]}",
    ],
)
def test_json_of_another_shape_is_refused_with_words_that_fit_a_screen(content: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_request({"body": content}, {})
    assert 20 < len(str(caught.value)) < 300


def test_an_instance_that_is_nested_or_huge_is_an_error_of_its_own() -> None:
    nested = b'{"instances": [' + b"[" * 500 + b"]" * 500 + b', 1e308, {"b64": {"b64": ""}}]}'
    assert errors_of(nested) == ["InvalidRequestError"] * 3


def test_no_instances_and_too_many_are_refused() -> None:
    with pytest.raises(EmptyBodyError):
        read_request({"body": b'{"instances": []}'}, {})
    most = json.dumps({"instances": [{"b64": B64}] * MAX_INSTANCES}).encode()
    assert read_request({"body": most}, {}).images == [PICTURE] * MAX_INSTANCES
    more = json.dumps({"instances": [0] * (MAX_INSTANCES + 1)}).encode()
    with pytest.raises(TooManyInstancesError) as caught:
        read_request({"body": more}, {})
    assert caught.value.code == 413


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
@pytest.mark.parametrize("separator", ["_", "-"])
def test_parameters_are_headers_in_any_spelling(
    spell: Callable[[str], str], separator: str
) -> None:
    headers = {spell(f"top{separator}k"): "3", spell(f"model{separator}input"): "true"}
    request = read_request({"body": PICTURE}, {"Accept": "x", **headers})
    assert (request.top_k, request.model_input) == (3, True)


def test_fields_of_a_form_go_before_headers() -> None:
    fields = {"data": PICTURE, "top_k": b"7", "model_input": b"false"}
    for headers in ({}, {"top_k": "3", "Model-Input": "true"}):
        request = read_request(fields, headers)
        assert (request.top_k, request.model_input) == (7, False)


@pytest.mark.parametrize(
    ("value", "expected"), [(b"03", 3), (b" 3 ", 3), (b"3\r\n", 3), (b"9999", 9999)]
)
def test_top_k_may_have_blanks_and_zeros_before_it_and_be_larger_than_any_model(
    value: bytes, expected: int
) -> None:
    assert read_request({"data": PICTURE, "top_k": value}, {}).top_k == expected


@pytest.mark.parametrize(
    "value", ["0", "0000", "-1", "+1", "1.5", "1e1", "0x1", "1_0", "10000", "", " ", "\0"]
)
def test_a_top_k_that_is_not_a_number_of_classes_is_refused(value: str) -> None:
    with pytest.raises(InvalidParameterError, match="1 to 9999"):
        read_request({"data": PICTURE, "top_k": value.encode()}, {})


@pytest.mark.parametrize(
    ("value", "expected"), [(b" True\r\n", True), (b"1", True), (b"fAlSe ", False), (b"0", False)]
)
def test_model_input_may_be_true_or_false_in_any_case(value: bytes, *, expected: bool) -> None:
    request = read_request({"data": PICTURE, "model_input": value}, {})
    assert request.model_input is expected


@pytest.mark.parametrize("value", [b"", b"2", b"truefalse", b"\xfftrue"])
def test_a_model_input_that_is_neither_true_nor_false_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidParameterError, match="model_input must be true or false"):
        read_request({"data": PICTURE, "model_input": value}, {})
