"""What a picture costs is seen in its header, whatever the file does to hide it."""

import struct
import time
import zlib

import pytest
from PIL import Image

from tests.helpers.pictures import RED, encode, png_chunk
from webui.pictures.work import estimate_work

PICTURE = Image.new("RGB", (4000, 3000))


@pytest.mark.parametrize(
    ("image_format", "options", "expected"),
    [
        ("PNG", {}, 13),
        ("JPEG", {}, 4),
        ("WEBP", {"lossless": True, "method": 0}, 13),
        ("WEBP", {"quality": 1, "method": 0}, 13),
        ("AVIF", {"speed": 10}, 13),
        ("HEIF", {}, 13),
        ("GIF", {}, 13),
        ("BMP", {}, 13),
        ("PPM", {}, 13),
        ("TIFF", {}, 13),
    ],
)
def test_a_large_picture_costs_more_than_a_small_one(
    image_format: str, options: dict[str, object], expected: int
) -> None:
    assert estimate_work(encode(PICTURE, image_format, **options)) == expected
    small = PICTURE.resize((32, 32))
    assert estimate_work(encode(small, image_format, **options)) == 1


HEAD, TAIL = RED[:33], RED[33:]


TAG = struct.pack("<HHII", 270, 2, 2**24, 0)
HIDDEN = {
    "chunks": HEAD + png_chunk(b"teXt", b"") * 1_000_000 + TAIL,
    "texts": HEAD + png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20))) * 2000 + TAIL,
    "segments": b"\xff\xd8" + b"\xff\xe1\0\2" * 1_000_000 + encode(PICTURE, "JPEG")[2:],
    "blocks": b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\1a\0" * 1_000_000 + b",",
    "tags": b"II*\0\x08\0\0\0\xff\xff" + TAG * 65_535 + bytes(2**24),
    "comment": b"P6\n#" + b"a" * 1_000_000,
    "boxes": b"\0\0\0\x18ftypheic" + bytes(100_000) + b"ispe" + bytes(12),
    "webp": b"RIFF\0\0\0\0WEBPVP8L",
    "png": b"\x89PNG\r\n\x1a\n",
    "size": encode(Image.new("1", (9000, 9000)), "TIFF"),
}


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
def test_what_hides_its_size_counts_as_large_and_takes_no_time(hidden: bytes) -> None:
    estimate_work(RED)
    started = time.thread_time()
    assert estimate_work(hidden) == (17 if hidden[0] == 0xFF else 65)
    assert time.thread_time() - started < 0.05


@pytest.mark.parametrize("content", [b"", b"no picture", b"%PDF-1.7", b"\0" * 1000])
def test_what_is_no_picture_counts_as_a_small_one(content: bytes) -> None:
    assert estimate_work(content) == 1
