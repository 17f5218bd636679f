"""What is taken as pictures, and how much of it."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from tests.webui.conftest import MAX_FORM_BYTES, MAX_UPLOAD_BYTES, FakeTorchServe
from tests.webui.sending import (
    AS_HTML,
    AS_JSON,
    PNG,
    heading,
    part,
    send,
    send_body,
    status_and_type,
    upload,
    upload_all,
)
from webui import create_app
from webui.settings import Settings

FIELD = part("field", b"x")
PICTURE = part("image", PNG, "cat.png")
# Each of them is not too large.
LARGE = part("image", bytes(MAX_UPLOAD_BYTES), "cat.png")


@pytest.mark.parametrize(
    ("parts", "code", "type_name"),
    [
        ([], 400, "NoFileError"),
        ([part("image", b"a text field")], 400, "NoFileError"),
        ([part("picture", PNG, "cat.png")], 400, "NoFileError"),
        ([part("image", b"", "")], 400, "NoFileError"),
        ([part("image", PNG, "")] * 16, 400, "NoFileError"),
        ([part("image", b"", "cat.png")], 400, "EmptyFileError"),
        ([part("image", bytes(1_000_001), "cat.png")], 413, "UploadTooLargeError"),
        ([part("image", bytes(2_400_000), "cat.png")], 413, "UploadTooLargeError"),
        ([part("image", bytes(5_000_000), "cat.png")], 413, "UploadsTooLargeError"),
        ([LARGE] * 3, 413, "UploadsTooLargeError"),
        ([PICTURE] * 17, 413, "TooManyPicturesError"),
        ([PICTURE] * 31, 413, "TooManyPicturesError"),
        ([PICTURE] * 32, 413, "FormTooLargeError"),
        ([part("image", bytes(900_000))], 413, "FormTooLargeError"),
        ([FIELD] * 99, 413, "FormTooLargeError"),
        ([FIELD] * 31 + [PICTURE], 413, "FormTooLargeError"),
        ([FIELD] * 16 + [PICTURE] * 16, 413, "FormTooLargeError"),
        ([part("field", bytes(5_000_000))], 413, "UploadsTooLargeError"),
    ],
)
def test_unusable_upload_never_reaches_torchserve(
    client: FlaskClient, torchserve: FakeTorchServe, parts: list[bytes], code: int, type_name: str
) -> None:
    response = send(client, *parts, accept=AS_JSON)
    assert status_and_type(response) == (code, type_name)
    assert torchserve.images == []


@pytest.mark.parametrize("body", [b"", b"--x", b"\xff" * 100, b"--x\r\n\r\n--x--"])
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
    ],
)
def test_broken_form_holds_no_file(
    client: FlaskClient, body: bytes, content_type: str | None
) -> None:
    response = send_body(client, body, content_type)
    assert status_and_type(response) == (400, "NoFileError")


def test_a_filename_that_is_no_text_is_the_users_mistake(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    named = PICTURE.replace(b"cat.png", b"k\xe4tzchen.png")
    assert status_and_type(send(client, named, accept=AS_JSON)) == (400, "NoFileError")
    assert torchserve.images == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/octet-stream",
        "Application/Octet-Stream; charset=binary",
        "image/png",
        "image/svg+xml",
        "image/x-anything",
    ],
)
def test_a_body_may_be_the_picture_itself(
    client: FlaskClient, torchserve: FakeTorchServe, content_type: str
) -> None:
    response = send_body(client, PNG, content_type)
    assert (response.status_code, response.json) == (200, torchserve.prediction)
    assert torchserve.images == [PNG]
    # Whatever it was called on its way here.
    assert torchserve.content_types[-1] == "application/octet-stream"


def test_a_body_that_looks_like_a_form_is_still_a_picture(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    send_body(client, PICTURE)
    send_body(client, b"image=x&language=de")
    assert torchserve.images == [PICTURE, b"image=x&language=de"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "text/html",
        "multipart/mixed; boundary=x",
        "video/mp4",
        "application/octet-streams",
        "imagepng",
        "image",
        "*/*",
        "x",
    ],
)
def test_any_other_body_is_of_an_unsupported_type(
    client: FlaskClient, torchserve: FakeTorchServe, content_type: str
) -> None:
    for body in (PNG, b"", b'{"instances": []}'):
        response = send_body(client, body, content_type)
        assert status_and_type(response) == (415, "UnsupportedMediaTypeError")
        assert "multipart/form-data" in response.get_json()["message"]
    assert torchserve.images == []


@pytest.mark.parametrize(
    ("size", "code", "type_name"),
    [
        (0, 400, "EmptyFileError"),
        (MAX_UPLOAD_BYTES + 1, 413, "UploadTooLargeError"),
        (MAX_FORM_BYTES, 413, "UploadTooLargeError"),
        (2 * MAX_FORM_BYTES, 413, "UploadsTooLargeError"),
    ],
)
def test_a_body_has_the_limits_of_a_file(
    client: FlaskClient, torchserve: FakeTorchServe, size: int, code: int, type_name: str
) -> None:
    assert status_and_type(send_body(client, bytes(size))) == (code, type_name)
    assert torchserve.images == []


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("size", [1, 16_384, 16_385, 65_536, 500_001, MAX_UPLOAD_BYTES])
def test_every_size_up_to_the_limit_passes_and_never_touches_the_disk(
    client: FlaskClient, torchserve: FakeTorchServe, size: int
) -> None:
    content = (b"\x00\r\n--\xff" * size)[:size]
    assert upload(client, content).status_code == 200
    assert send_body(client, content).status_code == 200
    assert torchserve.images == [content] * 2


@pytest.mark.usefixtures("no_temporary_files")
def test_pictures_up_to_the_limit_of_all_pass_and_never_touch_the_disk(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    sizes = [MAX_UPLOAD_BYTES, MAX_UPLOAD_BYTES, *[1] * 13]
    sizes.append(MAX_FORM_BYTES - sum(sizes))
    pictures = [bytes([index]) * size for index, size in enumerate(sizes)]
    assert len(pictures) == 16
    response = upload_all(client, *pictures, accept=AS_JSON)
    assert len(response.get_json()["predictions"]) == 16
    assert sorted(torchserve.images) == pictures


def test_too_large_says_the_limit(client: FlaskClient) -> None:
    assert "976.6 KiB" in upload(client, bytes(1_000_001)).text


def test_too_much_at_once_says_both_limits(client: FlaskClient) -> None:
    page = send(client, *[LARGE] * 3, accept=AS_HTML)
    assert heading(page) == "That is too much at once"
    assert "More than 2.4 MiB arrived" in page.text
    assert "one alone may have 976.6 KiB" in page.text


def test_too_many_pictures_says_the_limit(client: FlaskClient) -> None:
    page = send(client, *[PICTURE] * 17, accept=AS_HTML)
    assert heading(page) == "Too many pictures at once"
    assert "At most 16 pictures" in page.text


def test_a_form_that_holds_too_much_says_its_limits(client: FlaskClient) -> None:
    for parts in ([PICTURE] * 40, [FIELD] * 32, [part("field", bytes(900_000))]):
        page = send(client, *parts, accept=AS_HTML)
        assert heading(page) == "That form holds too much"
        assert "more than 31 fields, or a text field of more than 512 KiB" in page.text
        assert "at most 16 pictures" in page.text


def test_pictures_beside_other_fields_are_answered(client: FlaskClient) -> None:
    response = send(client, *[FIELD] * 15, *[PICTURE] * 16, accept=AS_JSON)
    assert len(response.get_json()["predictions"]) == 16


@pytest.mark.parametrize("count", [1, 2])
def test_the_number_of_pictures_is_a_setting(settings: Settings, count: int) -> None:
    client = create_app(replace(settings, max_pictures=count)).test_client()
    assert send(client, *[PICTURE] * count, accept=AS_JSON).status_code == 200
    response = send(client, *[PICTURE] * (count + 1), accept=AS_JSON)
    assert status_and_type(response) == (413, "TooManyPicturesError")


def test_a_form_may_always_hold_the_largest_picture(
    settings: Settings, torchserve: FakeTorchServe
) -> None:
    client = create_app(replace(settings, max_form_bytes=10)).test_client()
    assert send(client, LARGE, accept=AS_JSON).status_code == 200
    assert len(torchserve.images) == 1
    response = send(client, LARGE, LARGE, accept=AS_JSON)
    assert status_and_type(response) == (413, "UploadsTooLargeError")
    # The limit as it is, and not as it was set.
    assert "More than 976.6 KiB" in response.get_json()["message"]
