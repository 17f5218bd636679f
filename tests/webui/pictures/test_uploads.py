"""What is accepted as pictures, how much of it, and which of it a page shows."""

from base64 import b64encode

import pytest
from flask.testing import FlaskClient

from tests.helpers.fake_torchserve import FakeTorchServe
from tests.helpers.sending import (
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
from tests.webui.conftest import MAX_FORM_BYTES, MAX_UPLOAD_BYTES, CreateClient
from webui.pictures.uploads import Upload

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
        ([part("image", bytes(5_000_000), "cat.png")], 413, "UploadsTooLargeError"),
        ([LARGE] * 3, 413, "UploadsTooLargeError"),
        ([PICTURE] * 31, 413, "TooManyPicturesError"),
        ([PICTURE] * 32, 413, "UploadsTooLargeError"),
        ([part("image", bytes(900_000))], 413, "UploadsTooLargeError"),
        ([FIELD] * 99, 413, "UploadsTooLargeError"),
        ([FIELD] * 31 + [PICTURE], 413, "UploadsTooLargeError"),
        ([FIELD] * 16 + [PICTURE] * 16, 413, "UploadsTooLargeError"),
        ([part("field", bytes(5_000_000))], 413, "UploadsTooLargeError"),
    ],
)
def test_unusable_upload_never_reaches_torchserve(
    client: FlaskClient, torchserve: FakeTorchServe, parts: list[bytes], code: int, type_name: str
) -> None:
    response = send(client, *parts, accept=AS_JSON)
    assert status_and_type(response) == (code, type_name)
    assert torchserve.images == []


def test_broken_form_contains_no_file(client: FlaskClient) -> None:
    for media_type in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        for content_type in (None, media_type, media_type.partition(";")[0]):
            for body in (b"", b"--x", b"\xff" * 100, b"--x\r\n\r\n--x--"):
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
        "image/x-anything",
    ],
)
def test_a_body_may_be_the_picture_itself(
    client: FlaskClient, torchserve: FakeTorchServe, content_type: str
) -> None:
    # Some may look like a form.
    bodies = [PNG, PICTURE, b"image=x&language=de"]
    for body in bodies:
        response = send_body(client, body, content_type)
        assert (response.status_code, response.json) == (200, torchserve.prediction)
    assert torchserve.images == bodies
    # Whatever it was called on its way here.
    assert torchserve.content_types[-1] == "application/octet-stream"


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "text/plain", "multipart/mixed; boundary=x", "video/mp4"),
        *("application/octet-streams", "image", "*/*"),
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


def test_a_body_has_the_limits_of_a_file(client: FlaskClient, torchserve: FakeTorchServe) -> None:
    for size, expected in (
        (0, (400, "EmptyFileError")),
        (MAX_UPLOAD_BYTES + 1, (413, "UploadTooLargeError")),
        (2 * MAX_FORM_BYTES, (413, "UploadsTooLargeError")),
    ):
        assert status_and_type(send_body(client, bytes(size))) == expected
    assert torchserve.images == []


def test_pictures_up_to_the_limit_of_all_pass(
    client: FlaskClient, torchserve: FakeTorchServe
) -> None:
    sizes = [MAX_UPLOAD_BYTES, MAX_UPLOAD_BYTES, *[1] * 13]
    sizes.append(MAX_FORM_BYTES - sum(sizes))
    pictures = [bytes([index]) * size for index, size in enumerate(sizes)]
    assert len(pictures) == 16
    response = upload_all(client, *pictures, accept=AS_JSON)
    assert len(response.get_json()["predictions"]) == 16
    assert sorted(torchserve.images) == pictures


def test_errors_of_size_say_the_limits(client: FlaskClient) -> None:
    assert "976.6 KiB" in upload(client, bytes(1_000_001)).text
    many = send(client, *[PICTURE] * 17, accept=AS_HTML)
    assert heading(many) == "Too many pictures at once"
    assert "limited to 16" in many.text
    for parts in ([LARGE] * 3, [PICTURE] * 40, [FIELD] * 32, [part("field", bytes(900_000))]):
        form = send(client, *parts, accept=AS_HTML)
        assert heading(form) == "That is too much at once"
        for limit in ("up to 2.4 MiB", "up to 976.6 KiB", "limited to 16"):
            assert limit in form.text


def test_pictures_beside_other_fields_are_answered(client: FlaskClient) -> None:
    response = send(client, *[FIELD] * 15, *[PICTURE] * 16, accept=AS_JSON)
    assert len(response.get_json()["predictions"]) == 16


@pytest.mark.parametrize("count", [1, 2])
def test_the_number_of_pictures_is_a_setting(client_with: CreateClient, count: int) -> None:
    client = client_with(max_pictures=count)
    assert send(client, *[PICTURE] * count, accept=AS_JSON).status_code == 200
    response = send(client, *[PICTURE] * (count + 1), accept=AS_JSON)
    assert status_and_type(response) == (413, "TooManyPicturesError")


def test_a_form_may_always_hold_the_largest_picture(
    client_with: CreateClient, torchserve: FakeTorchServe
) -> None:
    client = client_with(max_form_bytes=10)
    assert send(client, LARGE, accept=AS_JSON).status_code == 200
    assert len(torchserve.images) == 1
    response = send(client, LARGE, LARGE, accept=AS_JSON)
    assert status_and_type(response) == (413, "UploadsTooLargeError")
    # The limit as it is, and not as it was set.
    assert "together may have up to 976.6 KiB" in response.get_json()["message"]


def box(*brands: bytes) -> bytes:
    """Return the file type box that opens an AVIF or HEIC file."""
    content = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return (len(content) + 4).to_bytes(4) + content + b"\0\0\0\x10meta"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe1", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"BM\0\0", "image/bmp"),
        (box(b"avif", b"mif1"), "image/avif"),
        (box(b"avis", b"msf1"), "image/avif"),
        (box(b"mif1", b"miaf", b"avif"), "image/avif"),
        (b"", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"<!doctype html><script>alert(1)</script>", None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"II*\0", None),
        (box(b"heic", b"mif1") + b"avif", None),
        (b"\xff\xff\xff\xffftyp", None),
        (b"PNG", None),
    ],
)
def test_only_formats_that_browsers_show_become_data_uris(
    content: bytes, media_type: str | None
) -> None:
    expected = media_type and f"data:{media_type};base64,{b64encode(content).decode()}"
    assert Upload("", content).data_uri == expected
