import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.preprocessing import (
    JPEG_START_OF_SCAN,
    MAX_JPEG_SCANS,
    MAX_PIXELS,
    MAX_SIDE,
    EmptyImageError,
    ImageTooLargeError,
    UnreadableImageError,
    decode_image,
    preprocess,
    to_unit_range,
)
from tests.conftest import encode

ORIENTATION_TAG = 0x0112


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_picture_of_the_right_size_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    result = preprocess(encode(Image.fromarray(pixels)), 32)
    assert result.dtype == torch.uint8
    assert torch.equal(result, torch.from_numpy(pixels).permute(2, 0, 1))


def test_any_size_becomes_the_size_asked_for(png: bytes) -> None:
    assert preprocess(png, 32).shape == (3, 32, 32)
    assert preprocess(png, 8).shape == (3, 8, 8)
    assert preprocess(encode(Image.new("RGB", (1, 1))), 32).shape == (3, 32, 32)


def test_pixels_become_numbers_from_0_to_1() -> None:
    scaled = to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert scaled.tolist() == pytest.approx([0, 0.2, 1])


@pytest.mark.parametrize(
    "image_format", ["AVIF", "BMP", "GIF", "HEIF", "JPEG", "PPM", "TIFF", "WEBP"]
)
def test_every_common_format_gives_nearly_the_same_pixels(
    gradient: Image.Image, png: bytes, image_format: str
) -> None:
    difference = preprocess(encode(gradient, image_format), 32).int() - preprocess(png, 32).int()
    assert difference.abs().float().mean() < 8


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16", "I"])
def test_every_colour_mode_is_converted(gradient: Image.Image, mode: str) -> None:
    grey = gradient.convert("L")
    if mode.startswith("I"):
        sixteen_bits = np.asarray(grey).astype(np.uint16) * 257
        source = Image.fromarray(sixteen_bits)
        source = source if mode == "I;16" else Image.fromarray(sixteen_bits.astype(np.int32))
    else:
        source = gradient.convert(mode)
    result = decode_image(encode(source, "TIFF"))
    expected = gradient if mode in {"P", "RGBA", "CMYK", "YCbCr"} else grey.convert("RGB")
    if mode == "1":
        # Dithering keeps the grey of a neighbourhood only.
        result = result.resize((6, 4), Image.Resampling.BOX)
        expected = expected.resize((6, 4), Image.Resampling.BOX)
    difference = np.asarray(result).astype(int) - np.asarray(expected).astype(int)
    assert result.mode == "RGB"
    assert abs(difference).mean() < (20 if mode in {"1", "P"} else 3)


def test_a_transparent_grey_of_16_bits_is_laid_on_white() -> None:
    sixteen_bits = Image.fromarray(np.array([[0, 32_896, 65_535, 1000]], dtype=np.uint16))
    image = decode_image(encode(sixteen_bits, "PNG", transparency=1000))
    assert [image.getpixel((column, 0)) for column in range(4)] == [
        (0, 0, 0),
        (128, 128, 128),
        (255, 255, 255),
        (255, 255, 255),
    ]


def test_a_transparent_colour_is_laid_on_white() -> None:
    image = Image.new("RGB", (2, 1), (10, 20, 30))
    image.putpixel((1, 0), (200, 0, 0))
    result = decode_image(encode(image, "PNG", transparency=(200, 0, 0)))
    assert [result.getpixel((column, 0)) for column in range(2)] == [(10, 20, 30), (255, 255, 255)]


def test_odd_metadata_does_not_keep_a_photo_from_being_read(gradient: Image.Image) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    exif[0x0100] = 40  # ImageWidth
    data = bytearray(encode(gradient, "JPEG", exif=exif))
    # The type of ImageWidth becomes one that doesn't exist.
    entry = data.index(struct.pack(">H", 0x0100), data.index(b"Exif"))
    data[entry + 2 : entry + 4] = struct.pack(">H", 77)
    assert decode_image(bytes(data)).size == (32, 48)


@pytest.mark.parametrize("image_format", ["AVIF", "HEIF", "JPEG", "PNG"])
def test_what_a_camera_appends_to_a_picture_is_ignored(
    gradient: Image.Image, image_format: str
) -> None:
    data = encode(gradient, image_format)
    assert torch.equal(preprocess(data + b"MotionPhoto_Data" * 9, 32), preprocess(data, 32))


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.putpixel((0, 0), (10, 20, 30, 255))
    result = decode_image(encode(image))
    assert result.getpixel((0, 0)) == (10, 20, 30)
    assert result.getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("orientation", "transpose"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
        (99, None),
    ],
)
def test_a_photo_is_turned_upright(
    gradient: Image.Image, orientation: int, transpose: Image.Transpose | None
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    turned = gradient if transpose is None else gradient.transpose(transpose)
    upright = decode_image(encode(turned, "PNG", exif=exif))
    assert np.array_equal(np.asarray(upright), np.asarray(gradient))


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    animation = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(animation).getpixel((0, 0)) == (255, 0, 0) or decode_image(
        animation
    ).getpixel((0, 0)) == (254, 0, 0)


def test_no_bytes_are_an_error_of_their_own() -> None:
    with pytest.raises(EmptyImageError, match="0 bytes"):
        decode_image(b"")


@pytest.mark.parametrize(
    "data", [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", bytes(999)]
)
def test_what_is_no_picture_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableImageError, match="formats"):
        decode_image(data)


@pytest.mark.parametrize("image_format", ["AVIF", "GIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_a_truncated_file_is_unreadable(gradient: Image.Image, image_format: str) -> None:
    data = encode(gradient, image_format)
    with pytest.raises(UnreadableImageError):
        decode_image(data[: len(data) * 3 // 4])


def test_a_wrong_checksum_is_unreadable(png: bytes) -> None:
    position = png.index(b"IDAT")
    length = int.from_bytes(png[position - 4 : position])
    checksum = position + 4 + length
    with pytest.raises(UnreadableImageError):
        decode_image(png[:checksum] + bytes(4) + png[checksum + 4 :])


def test_a_bomb_is_refused_by_its_header_alone() -> None:
    side = int(MAX_PIXELS**0.5) + 1
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"not pixels")
    with pytest.raises(ImageTooLargeError, match="64 million"):
        decode_image(bomb)


def test_a_side_that_is_too_long_is_refused() -> None:
    with pytest.raises(ImageTooLargeError, match="a side"):
        decode_image(encode(Image.new("1", (1, MAX_SIDE + 1))))
    assert decode_image(encode(Image.new("1", (1, MAX_SIDE)))).size == (1, MAX_SIDE)


def test_a_jpeg_of_endless_scans_is_refused(gradient: Image.Image) -> None:
    data = encode(gradient, "JPEG", progressive=True)
    *_, last = JPEG_START_OF_SCAN.finditer(data)
    last_scan = last.start()
    with pytest.raises(ImageTooLargeError, match="scans"):
        decode_image(data[:last_scan] + data[last_scan:-2] * MAX_JPEG_SCANS + data[-2:])
    assert decode_image(data + b"\xff\xda" * 200).size == gradient.size


@pytest.mark.parametrize("white", [1.0, 255.0, 65_535.0])
def test_floating_point_is_scaled_to_its_white(gradient: Image.Image, white: float) -> None:
    grey = np.asarray(gradient.convert("L"))
    floating = Image.fromarray((grey * (white / 255)).astype(np.float32))
    result = np.asarray(decode_image(encode(floating, "TIFF")))[:, :, 0]
    assert np.abs(result.astype(int) - grey).max() <= 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_unreadable(value: float) -> None:
    image = Image.fromarray(np.full((4, 4), value, dtype=np.float32))
    with pytest.raises(UnreadableImageError):
        decode_image(encode(image, "TIFF"))


def test_a_bomb_beyond_pillows_own_limit_is_too_large_as_well() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"not pixels")
    with pytest.raises(ImageTooLargeError):
        decode_image(bomb)


def names_of_unreadable(files: list[Path]) -> set[str]:
    names = set()
    for file in files:
        try:
            preprocess(file.read_bytes(), 32)
        except UnreadableImageError:
            names.add(file.name)
    return names


def test_pngsuite_is_read_and_its_broken_files_refused(shared_images: Path) -> None:
    files = sorted((shared_images / "pngsuite" / "png").glob("*.png"))
    broken = {file.name for file in files if file.name.startswith("x")}
    assert len(files) > 150
    assert names_of_unreadable(files) == broken


def test_heif_is_read_and_its_broken_files_refused(shared_images: Path) -> None:
    files = sorted((shared_images / "heif").glob("*.hei[fc]"))
    assert len(files) > 2
    assert names_of_unreadable(files) == {"corrupted.heic", "truncated.heic"}


def test_all_exif_orientations_of_a_photo_give_nearly_the_same_pixels(shared_images: Path) -> None:
    upright, *turned = sorted((shared_images / "exif").glob("*.jpg"))
    expected = preprocess(upright.read_bytes(), 32).int()
    assert len(turned) == 8
    for file in turned:
        difference = preprocess(file.read_bytes(), 32).int() - expected
        assert difference.abs().float().mean() < 2, file.name
