"""Only formats that browsers show as pictures, and that run no scripts, get a data: URI."""

import pytest

from webui.picture import to_data_uri


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
    ],
)
def test_media_type_follows_the_content(content: bytes, media_type: str) -> None:
    data_uri = to_data_uri(content)
    assert data_uri is not None
    assert data_uri.startswith(f"data:{media_type};base64,")


def test_data_uri_holds_the_content() -> None:
    assert to_data_uri(b"GIF89a\x00\xff") == "data:image/gif;base64,R0lGODlhAP8="


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"II*\0",
        b"MM\0*",
        box(b"heic", b"mif1"),
        box(b"heic", b"mif1") + b"avif",
        b"\xff\xff\xff\xffftyp",
        b"PNG",
    ],
)
def test_anything_else_is_not_embedded(content: bytes) -> None:
    assert to_data_uri(content) is None
