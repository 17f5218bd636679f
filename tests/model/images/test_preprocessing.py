import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from model.images.preprocessing import Pixels, prepare, to_rgb
from tests.fuzz.mutations import repair_png
from tests.helpers.pictures import encode, exif


def decode(data: bytes) -> Pixels:
    """Return the picture at its own size; it must be square."""
    prepared = prepare(data, prepare(data, 1).width)
    assert prepared.width == prepared.height
    return prepared.pixels


@pytest.fixture
def square(gradient: Image.Image) -> Image.Image:
    return gradient.crop((0, 0, 32, 32))


def test_a_picture_of_the_right_size_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(prepare(encode(Image.fromarray(pixels)), 32).pixels, pixels)


def test_format_and_size_of_what_was_sent_come_with_the_pixels(gradient: Image.Image) -> None:
    prepared = prepare(encode(gradient, "JPEG", exif=exif(6)), 32)
    assert (prepared.format, prepared.fit) == ("JPEG", "resize")
    assert (prepared.width, prepared.height) == (32, 48)
    assert prepared.pixels.shape == (32, 32, 3)
    assert prepared.pixels.dtype == np.uint8
    assert prepared.pixels.flags.c_contiguous
    assert prepared.pixels.flags.writeable


@pytest.mark.parametrize(
    ("size", "orientation", "shape"),
    [
        ((48, 32), 1, (32, 48)),
        ((4800, 3200), 6, (48, 32)),
        ((3000, 4000), 1, (43, 32)),
        ((5, 5), 1, (32, 32)),
        ((9, 900), 1, (64, 32)),
    ],
)
def test_a_picture_keeps_its_shape_where_that_is_asked_for(
    gradient: Image.Image, size: tuple[int, int], orientation: int, shape: tuple[int, int]
) -> None:
    source = gradient.resize(size)
    photo = encode(source, exif=exif(orientation))
    pixels = prepare(photo, 32, "keep-aspect").pixels
    assert pixels.shape == (*shape, 3)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(photo)))
    expected = np.asarray(upright.resize(shape[::-1], Image.Resampling.BICUBIC))
    assert np.abs(pixels.astype(int) - expected).mean() < 3


@pytest.mark.parametrize(
    "image_format", ["AVIF", "BMP", "GIF", "HEIF", "JPEG", "PPM", "TIFF", "WEBP"]
)
def test_every_common_format_gives_nearly_the_same_pixels(
    gradient: Image.Image, png: bytes, image_format: str
) -> None:
    prepared = prepare(encode(gradient, image_format), 32)
    difference = prepared.pixels.astype(int) - prepare(png, 32).pixels
    assert prepared.format == image_format
    assert np.abs(difference).mean() < 8


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16", "I"])
def test_every_colour_mode_of_a_file_is_converted(square: Image.Image, mode: str) -> None:
    grey = square.convert("L")
    if mode.startswith("I"):
        sixteen_bits = np.asarray(grey).astype(np.uint16) * 257
        source = Image.fromarray(sixteen_bits)
        source = source if mode == "I;16" else Image.fromarray(sixteen_bits.astype(np.int32))
    else:
        source = square.convert(mode)
    result = Image.fromarray(decode(encode(source, "TIFF")))
    expected = square if mode in {"P", "RGBA", "CMYK", "YCbCr"} else grey.convert("RGB")
    if mode == "1":
        # Dithering keeps the grey of a neighbourhood only.
        result = result.resize((4, 4), Image.Resampling.BOX)
        expected = expected.resize((4, 4), Image.Resampling.BOX)
    difference = np.asarray(result).astype(int) - np.asarray(expected).astype(int)
    assert abs(difference).mean() < (20 if mode in {"1", "P"} else 3)


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA", "RGBX"])
def test_modes_that_no_file_here_has_are_converted_as_well(square: Image.Image, mode: str) -> None:
    through = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}.get(mode, "RGB")
    expected = square.convert("LA").convert("RGB") if mode == "La" else square
    difference = np.asarray(to_rgb(square.convert(through).convert(mode))).astype(int) - expected
    assert abs(difference).mean() < (20 if mode == "PA" else 1)


def test_lab_is_converted_by_its_definition() -> None:
    # CIE L*a*b*: 54 % lightness and no colour, which is 128 on both axes, is this grey.
    channels = [Image.new("L", (8, 8), level) for level in (138, 128, 128)]
    pixels = decode(encode(Image.merge("LAB", channels), "TIFF"))
    assert np.abs(pixels.astype(int) - 129).max() < 4


def test_a_transparent_grey_of_16_bits_is_laid_on_white() -> None:
    row = np.array([[0, 32_896, 65_535, 1000]], dtype=np.uint16).repeat(4, axis=0)
    pixels = decode(encode(Image.fromarray(row), "PNG", transparency=1000))
    assert pixels[0].tolist() == [[0] * 3, [128] * 3, [255] * 3, [255] * 3]


def test_a_transparent_colour_is_laid_on_white() -> None:
    image = Image.new("RGB", (2, 2), (10, 20, 30))
    image.putpixel((1, 0), (200, 0, 0))
    pixels = decode(encode(image, "PNG", transparency=(200, 0, 0)))
    assert pixels[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_a_transparent_grey_of_few_bits_is_laid_on_white() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255])
    data = bytearray(encode(palette, "PNG", bits=2))
    # The same two bits a pixel, taken for grey; its level 1 is declared transparent.
    data[25] = 0
    chunk = struct.pack(">I", 2) + b"tRNS" + struct.pack(">H", 1) + bytes(4)
    position = data.index(b"PLTE") - 4
    end = data.index(b"IDAT") - 4
    whole = repair_png(bytes(data[:position]) + chunk + bytes(data[end:]))
    assert (decode(whole) == 255).all()


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.putpixel((0, 0), (10, 20, 30, 255))
    pixels = decode(encode(image))
    assert pixels[0, 0].tolist() == [10, 20, 30]
    assert pixels[3, 3].tolist() == [255, 255, 255]


def test_odd_metadata_does_not_keep_a_photo_from_being_read(gradient: Image.Image) -> None:
    metadata = exif(6)
    metadata[0x0100] = 40  # ImageWidth
    data = bytearray(encode(gradient, "JPEG", exif=metadata))
    # The type of ImageWidth becomes one that doesn't exist.
    entry = data.index(struct.pack(">H", 0x0100), data.index(b"Exif"))
    data[entry + 2 : entry + 4] = struct.pack(">H", 77)
    prepared = prepare(bytes(data), 32)
    assert (prepared.width, prepared.height) == (32, 48)


@pytest.mark.parametrize("image_format", ["AVIF", "HEIF", "JPEG", "PNG"])
def test_what_a_camera_appends_to_a_picture_is_ignored(
    gradient: Image.Image, image_format: str
) -> None:
    data = encode(gradient, image_format)
    appended = prepare(data + b"MotionPhoto_Data" * 9, 32)
    assert np.array_equal(appended.pixels, prepare(data, 32).pixels)


TURNS = [
    (1, None),
    (2, Image.Transpose.FLIP_LEFT_RIGHT),
    (3, Image.Transpose.ROTATE_180),
    (4, Image.Transpose.FLIP_TOP_BOTTOM),
    (5, Image.Transpose.TRANSPOSE),
    (6, Image.Transpose.ROTATE_90),
    (7, Image.Transpose.TRANSVERSE),
    (8, Image.Transpose.ROTATE_270),
    (99, None),
]


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize(("orientation", "transpose"), TURNS)
def test_a_photo_is_turned_upright(
    square: Image.Image, image_format: str, orientation: int, transpose: Image.Transpose | None
) -> None:
    turned = square if transpose is None else square.transpose(transpose)
    upright = decode(encode(turned, image_format, exif=exif(orientation)))
    assert np.abs(upright.astype(int) - np.asarray(square)).mean() < 6


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "AVIF", "TIFF", "MPO"])
def test_an_animation_gives_its_first_frame(image_format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    animation = encode(frames[0], image_format, save_all=True, append_images=frames[1:])
    assert np.abs(decode(animation).astype(int) - (255, 0, 0)).max() < 4


@pytest.mark.parametrize("white", [1.0, 255.0, 65_535.0])
def test_floating_point_is_scaled_to_its_white(square: Image.Image, white: float) -> None:
    grey = np.asarray(square.convert("L"))
    floating = Image.fromarray((grey * (white / 255)).astype(np.float32))
    result = decode(encode(floating, "TIFF"))[:, :, 0]
    assert np.abs(result.astype(int) - grey).max() <= 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P4 # a comment\n2 2\n\x80\x40", [0, 255, 255, 0]),
        (b"P5 2 2 100\n\x00\x14\x14\x64", [0, 51, 51, 255]),
        (b"P5 2 2 1000\n\x00\x00\x01\xf4\x01\xf4\x03\xe8", [0, 128, 128, 255]),
        (b"P5 2 2 65535\n\x00\x00\x00\xff\x00\xff\x00\x00", [0, 1, 1, 0]),
        (b"P6 2 2 1000\n" + b"\x01\xf4" * 12, [128, 128, 128, 128]),
    ],
)
def test_netpbm_is_read_by_its_white(data: bytes, expected: list[int]) -> None:
    assert decode(data)[:, :, 0].ravel().tolist() == expected


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "I;16", "CMYK"])
def test_a_large_picture_looks_as_if_it_was_resized_at_once(
    gradient: Image.Image, mode: str
) -> None:
    """It is reduced by whole factors first, in strips, and leaves a rest at the edges."""
    large = gradient.resize((1571, 1069), Image.Resampling.LANCZOS)
    if mode == "I;16":
        source = Image.fromarray(np.asarray(large.convert("L")).astype(np.uint16) * 257)
        expected = large.convert("L").convert("RGB")
    else:
        source = large.convert(mode)
        expected = source.convert("RGB")
    exact = np.asarray(expected.resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    result = prepare(encode(source, "TIFF"), 32).pixels
    assert np.abs(result - exact).max() <= 3


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_large_jpeg_looks_as_if_it_was_decoded_in_full(
    gradient: Image.Image, mode: str, options: dict[str, object]
) -> None:
    large = gradient.resize((1571, 1069), Image.Resampling.LANCZOS).convert(mode)
    prepared = prepare(encode(large, "JPEG", exif=exif(6), **options), 32)
    turned = large.convert("RGB").transpose(Image.Transpose.ROTATE_270)
    exact = np.asarray(turned.resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    assert (prepared.width, prepared.height) == (1069, 1571)
    assert np.abs(prepared.pixels - exact).max() <= 6
