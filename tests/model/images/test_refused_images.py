"""What is refused, why, at what cost, and that nothing else ever happens."""

import io
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import PROJECT
from model.images.errors import (
    FORMATS,
    EmptyBodyError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from model.images.limits import MAX_SIDE, Budget
from model.images.preprocessing import prepare
from model.images.readers import MAX_HEADER_PIECES, MAX_SCANS
from tests.fuzz.judge import examine
from tests.fuzz.mutations import repair_png
from tests.helpers.pictures import encode, png_chunk
from tests.helpers.samples import make_samples

SAMPLES = make_samples()
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_of_size(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"not pixels")


def tiff(*tags: tuple[int, int, int, int]) -> bytes:
    """Return a TIFF of nothing but a directory: tags, types, counts and values."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def webp(kind: bytes, payload: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(SAMPLES["JPEG grey"])
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def avif_of_size(image_format: str, width: int, height: int) -> bytes:
    data = bytearray(SAMPLES[image_format])
    start = 0
    while (start := data.find(b"ispe", start) + 4) > 3:
        data[start + 4 : start + 12] = struct.pack(">II", width, height)
    return bytes(data)


WIDE, HIGH = 16_000, 16_000
BOMBS: dict[str, Callable[[], bytes]] = {
    "BMP": lambda: (
        b"BM" + bytes(8) + struct.pack("<IIiiHHI", 54, 40, WIDE, HIGH, 1, 24, 0) + bytes(24)
    ),
    "GIF": lambda: (
        b"GIF89a"
        + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
        + struct.pack("<cHHHHB", b",", 0, 0, WIDE, HIGH, 0)
        + b"\x08\x00;"
    ),
    "JPEG": lambda: jpeg_of_size(WIDE, HIGH),
    "PNG": lambda: png_of_size(WIDE, HIGH),
    "PNG beyond Pillow's own limit": lambda: png_of_size(60_000, 60_000),
    "PPM": lambda: b"P6 16000 16000 255\n",
    "PPM of other than 8 bits": lambda: b"P6 500 500 1000\n",
    "TIFF": lambda: tiff((256, 4, 1, WIDE), (257, 4, 1, HIGH)),
    "TIFF tile": lambda: tiff(
        (256, 4, 1, 10), (257, 4, 1, 10), (322, 4, 1, 2**24), (323, 4, 1, 2**24)
    ),
    "TIFF strips": lambda: tiff(
        (256, 4, 1, 10), (257, 4, 1, 10), (273, 4, 2**28, 8), (279, 4, 2**28, 8)
    ),
    "WEBP": lambda: webp(b"VP8X", bytes(4) + (WIDE - 1).to_bytes(3, "little") * 2 + bytes(99)),
    "WEBP lossless": lambda: webp(
        b"VP8L", b"\x2f" + struct.pack("<I", 0x3FFF | 0x3FFF << 14) + bytes(99)
    ),
    "WEBP lossy": lambda: webp(
        b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 0x3FFF, 0x3FFF) + bytes(99)
    ),
    "AVIF": lambda: avif_of_size("AVIF", WIDE, HIGH),
    "HEIF": lambda: avif_of_size("HEIF", WIDE, HIGH),
}


@pytest.mark.parametrize("empty", [b"", bytearray(), memoryview(b"")])
def test_no_bytes_are_an_error_of_their_own(empty: bytes) -> None:
    with pytest.raises(EmptyBodyError, match="0 bytes") as raised:
        prepare(empty, 32)
    assert raised.value.code == 400


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"hello", "text"),
        (b"BMW builds cars", "text"),
        (b"P3 2 2 255\n1 2 3  4 5 6\n7 8 9  10 11 12\n", "binary kind"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\n<!DOCTYPE html><p>Not found", "HTML"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video"),
        (b"\x1a\x45\xdf\xa3", "video"),
        (b"PK\3\4", "ZIP"),
        (bytes(999), "not an image"),
        (np.random.default_rng(0).bytes(10_000_000), "not an image"),
    ],
)
def test_what_is_not_a_picture_is_named(data: bytes, found: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=found) as raised:
        prepare(data, 32)
    assert raised.value.code == 415
    assert any(name in str(raised.value) for name in FORMATS)


@pytest.mark.parametrize("image_format", ["AVIF", "GIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_a_truncated_file_is_unreadable(gradient: Image.Image, image_format: str) -> None:
    data = encode(gradient, image_format)
    with pytest.raises(UnreadableImageError, match=image_format) as raised:
        prepare(data[: len(data) * 3 // 4], 32)
    assert raised.value.code == 400


@pytest.mark.parametrize(
    "damage",
    [
        lambda png: png.replace(b"\r\n", b"\n", 1),
        lambda png: bytes(byte & 0x7F for byte in png),
        lambda png: png[: png.index(b"IEND") - 4],
        lambda png: repair_png(png.replace(b"IDAT", b"IDAX")),
        lambda png: repair_png(png[:24] + b"\x07" + png[25:]),
        lambda png: png.replace(b"\0\0\0\x20", b"\0\0\0\x21", 1),
    ],
)
def test_a_damaged_png_is_unreadable(png: bytes, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(UnreadableImageError, match="PNG"):
        prepare(damage(png), 32)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_unreadable(value: float) -> None:
    image = Image.fromarray(np.full((4, 4), value, dtype=np.float32))
    with pytest.raises(UnreadableImageError):
        prepare(encode(image, "TIFF"), 32)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str) -> None:
    with pytest.raises(ImageTooLargeError) as raised:
        prepare(BOMBS[name](), 32)
    assert raised.value.code == 413


def test_bombs_cost_no_memory(tmp_path: Path) -> None:
    """In a process of its own, whose largest memory ever is read."""
    for name, bomb in BOMBS.items():
        (tmp_path / name).write_bytes(bomb())
    program = """
import resource, sys
from pathlib import Path
from model.images.errors import ImageError
from model.images.preprocessing import prepare
from tests.helpers.samples import make_samples
for data in make_samples().values():
    prepare(data, 32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in Path(sys.argv[1]).iterdir():
    try:
        prepare(file.read_bytes(), 32)
    except ImageError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(result.stdout) * unit < 16 * 2**20


def test_texts_and_profiles_of_a_png_are_never_unpacked() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    chunks = png_chunk(b"zTXt", b"a\0\0" + bomb) + png_chunk(b"iCCP", b"a\0\0" + bomb)
    small = SAMPLES["PNG"]
    crowded = small[:33] + chunks * 9 + small[33:]
    assert np.array_equal(prepare(crowded, 32).pixels, prepare(small, 32).pixels)


def test_a_side_that_is_too_long_is_refused() -> None:
    with pytest.raises(ImageTooLargeError, match="a side"):
        prepare(encode(Image.new("1", (1, MAX_SIDE + 1))), 32)
    assert prepare(encode(Image.new("1", (1, MAX_SIDE))), 32).height == MAX_SIDE


@pytest.mark.parametrize(
    ("name", "width", "height", "limit"),
    [("PNG", 4001, 4000, "16 million"), ("PNG of 16 bits", 2900, 2900, "8 million")],
)
def test_the_limit_of_its_kind_is_in_the_message(
    name: str, width: int, height: int, limit: str
) -> None:
    depth = 16 if "16" in name else 8
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    data = PNG_SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"")
    with pytest.raises(ImageTooLargeError, match=f"{limit} pixels.*64 million") as raised:
        prepare(data, 32)
    assert f"a {name} like this one" in str(raised.value)


@pytest.mark.parametrize(("width", "height"), [(4032, 3024), (4208, 3120), (8160, 6144)])
def test_photos_of_phones_are_accepted(width: int, height: int) -> None:
    kinds = {"JPEG"} if width > 5000 else {"AVIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP"}
    for kind in kinds:
        Budget().spend(kind, width, height)


def test_a_small_file_of_many_pixels_is_refused_before_it_is_decoded() -> None:
    """Such a WebP of 38 bytes took 0.8 s and 1 GB."""
    bomb = encode(Image.new("RGB", (8000, 8000), (90, 120, 30)), "WEBP", lossless=True, method=0)
    started = time.thread_time()
    with pytest.raises(ImageTooLargeError, match="14 million"):
        prepare(bomb, 32)
    assert time.thread_time() - started < 0.1


def test_a_jpeg_of_endless_scans_is_refused(gradient: Image.Image) -> None:
    data = encode(gradient, "JPEG", progressive=True)
    last_scan = data.rindex(b"\xff\xda")
    with pytest.raises(ImageTooLargeError, match="scans"):
        prepare(data[:last_scan] + data[last_scan:-2] * MAX_SCANS + data[-2:], 32)
    assert prepare(data + b"\xff\xda" * 200, 32).width == gradient.width


def test_a_jpeg_of_many_scans_may_have_fewer_pixels() -> None:
    data = bytearray(SAMPLES["JPEG progressive"])
    frame = data.index(b"\xff\xc2")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 6000, 8000)
    scan = bytes(data[data.rindex(b"\xff\xda") : -2])
    with pytest.raises(ImageTooLargeError, match=r"32 million pixels"):
        prepare(bytes(data[:-2]) + scan * 10 + b"\xff\xd9", 32)


def endless(image_format: str) -> bytes:
    """Return a file with thousands of small comments before its pixels."""
    data = SAMPLES[image_format]
    start, comment, end = {
        "GIF": (13 + (6 << (data[10] & 7)), b"!\xfe\x01a\0", b""),
        "JPEG": (2, b"\xff\xfe\x00\x04no", b""),
        "PNG": (33, png_chunk(b"noNe", b""), b""),
        "PPM": (3, b"#", b"\n"),
    }[image_format]
    return data[:start] + comment * MAX_HEADER_PIECES + end + data[start:]


@pytest.mark.parametrize("image_format", ["GIF", "JPEG", "PNG", "PPM"])
def test_endless_headers_are_refused(image_format: str) -> None:
    with pytest.raises(ImageTooLargeError, match="pieces"):
        prepare(endless(image_format), 32)


def test_run_lengths_are_unpacked_up_to_a_limit_of_their_own() -> None:
    data = bytearray(SAMPLES["BMP run lengths"])
    data[18:26] = struct.pack("<ii", 4000, 4000)
    with pytest.raises(ImageTooLargeError, match="BMP in run lengths"):
        prepare(data, 32)


def test_a_tiff_with_an_unusual_compression_is_unsupported() -> None:
    lzma = tiff((256, 4, 1, 10), (257, 4, 1, 10), (259, 3, 1, 34_925))
    with pytest.raises(UnsupportedFormatError, match="compression"):
        prepare(lzma, 32)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_cut_anywhere_gets_pixels_or_an_error(name: str) -> None:
    data = SAMPLES[name]
    for length in range(len(data)):
        outcome, fault = examine(data[:length])
        assert not fault, (length, outcome, fault)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_with_any_byte_wrong_gets_pixels_or_an_error(name: str) -> None:
    data = SAMPLES[name]
    for position in range(0, len(data), 1 + len(data) // 200):
        for mask in (0xFF, 0x01):
            wrong = bytearray(data)
            wrong[position] ^= mask
            outcome, fault = examine(repair_png(bytes(wrong)))
            assert not fault, (position, mask, outcome, fault)


def test_pngsuite_looks_as_pillow_reads_it(shared_images: Path) -> None:
    for file in sorted((shared_images / "pngsuite" / "png").glob("[!xt]*.png")):
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            if image.mode.startswith("I") or image.has_transparency_data:
                continue
            expected = np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BICUBIC))
        assert np.array_equal(prepare(file.read_bytes(), 32).pixels, expected), file.name
