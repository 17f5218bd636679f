"""What a picture costs is seen in its header, whatever the file does to hide it."""

import struct
import time
import zlib

import pytest
from PIL import Image

from tests.helpers.pictures import RED, encode
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


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


HEAD, TAIL = RED[:33], RED[33:]


@pytest.mark.parametrize(
    "hidden",
    [
        HEAD + chunk(b"teXt", b"") * 1_000_000 + TAIL,
        HEAD + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20))) * 2000 + TAIL,
        b"\xff\xd8" + b"\xff\xe1\0\2" * 1_000_000 + encode(PICTURE, "JPEG")[2:],
        b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\1a\0" * 1_000_000 + b",",
        b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 270, 2, 2**24, 0) * 65_535 + bytes(2**24),
        b"P6\n#" + b"a" * 1_000_000,
        b"\0\0\0\x18ftypheic" + bytes(100_000) + b"ispe" + bytes(12),
        b"RIFF\0\0\0\0WEBPVP8L",
        b"\x89PNG\r\n\x1a\n",
        encode(Image.new("1", (9000, 9000)), "TIFF"),
    ],
    ids=[
        "chunks",
        "texts",
        "segments",
        "blocks",
        "tags",
        "comment",
        "boxes",
        "webp",
        "png",
        "size",
    ],
)
def test_what_hides_its_size_counts_as_large_and_takes_no_time(hidden: bytes) -> None:
    estimate_work(RED)
    started = time.thread_time()
    assert estimate_work(hidden) == (17 if hidden[0] == 0xFF else 65)
    assert time.thread_time() - started < 0.05


@pytest.mark.parametrize("content", [b"", b"no picture", b"%PDF-1.7", b"\0" * 1000])
def test_what_is_no_picture_counts_as_a_small_one(content: bytes) -> None:
    assert estimate_work(content) == 1
