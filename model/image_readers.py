"""One reader for each format: checks what its decoder leaves unchecked, then decodes once.

Every reader looks at the headers first and refuses what is too large before any pixel is decoded.
Pillow's classes are called by name: `Image.open` would try them all, and read a file twice.
"""

import io
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import pillow_heif
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from model.exif import read_orientation
from model.image_errors import (
    MAX_SCANNED_PIXELS,
    ImageTooLargeError,
    UnsupportedFormatError,
    refuse_large,
)
from model.netpbm import read_netpbm
from model.png import read_png

# Pillow warns of odd metadata, which is no concern of ours. Set once: what `catch_warnings` does
# for a single call would also hold for the other threads, and takes longer than a small picture.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Cameras and converters write ten scans at most, and some dozen segments before them.
MAX_JPEG_SCANS = 100
MAX_JPEG_SEGMENTS = 2000
# The marker, the length of the header, the number of components: ITU-T T.81, B.2.3. Two bytes alone
# would also be found by chance in the film that a phone appends to its photo.
JPEG_START_OF_SCAN = re.compile(rb"\xff\xda\x00[\x08\x0a\x0c\x0e][\x01-\x04]")
JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
# Huffman tables, arithmetic conditioning, quantisation, restarts, JFIF, Adobe: what decoding needs.
JPEG_NEEDED = JPEG_FRAMES | {0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE}
MAX_GIF_BLOCKS = 100_000
GIF_EXTENSION, GIF_FRAME = ord("!"), ord(",")
# The label and the size of a graphic control extension, which says what is transparent.
GIF_CONTROL = b"\xf9\x04"
# Run lengths are unpacked by Python code.
MAX_BMP_RUN_LENGTH_PIXELS = 4_000_000
BMP_RUN_LENGTHS = {1, 2}
BOX_HEADER_BYTES = 8
IMAGE_FILE_BOXES = {b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip"}
# None, CCITT, LZW, JPEG, Deflate and PackBits. Others may take any memory they like to unpack.
TIFF_COMPRESSIONS = {1, 2, 3, 4, 5, 6, 7, 8, 32_773, 32_946}
# Numbers under one tag. A strip or a tile is some kilobytes.
MAX_TIFF_VALUES = 50_000
MAX_TIFF_TAGS = 1000
TIFF_TEXTS = {1, 2, 6, 7}
TIFF_VALUE_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
TIFF_WIDTH, TIFF_HEIGHT, TIFF_COMPRESSION = 256, 257, 259
TIFF_TILE_WIDTH, TIFF_TILE_HEIGHT = 322, 323


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A picture as its decoder gives it.

    Attributes:
        image: in any mode, and maybe smaller than the file says; not turned yet.
        width: that the file says, in pixels.
        height: likewise.
        orientation: the EXIF tag, 1 to 8, that says how to turn it.
    """

    image: Image.Image
    width: int
    height: int
    orientation: int = 1


def _read_png(data: bytes, _: int) -> DecodedImage:
    image, exif = read_png(data)
    return DecodedImage(image, *image.size, read_orientation(exif) if exif else 1)


def _read_jpeg(data: bytes, enough: int) -> DecodedImage:
    head, exif, scans = _take_jpeg_apart(data)
    image = JpegImageFile(io.BytesIO(b"".join((*head, memoryview(data)[scans:]))))
    width, height = image.size
    if min(width, height) >= 2 * enough:
        image.draft(None, (enough, enough))
    image.load()
    return DecodedImage(image, width, height, read_orientation(exif))


def _take_jpeg_apart(data: bytes) -> tuple[list[bytes], bytes, int]:
    """Return the segments that decoding needs, the EXIF data, and where the scans begin.

    Raises:
        ImageTooLargeError: too many pixels, scans, or segments.
        ValueError: there is no scan, or no header before it.
    """
    head, exif = [data[:2]], b""
    frame: tuple[int, int, int, int] | None = None
    position = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        position = data.index(b"\xff", position)
        marker = data[position + 1]
        if marker == 0xDA:
            break
        if marker in {0x00, 0xFF}:
            position += 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        if marker == 0xD9 or end > len(data):
            raise ValueError("the file ends before its pixels")
        if marker in JPEG_NEEDED:
            head.append(data[position:end])
        if marker in JPEG_FRAMES:
            height, width, components = struct.unpack_from(">HHB", data, position + 5)
            refuse_large(width, height)
            frame = marker, width, height, components
        elif marker == 0xE1 and not exif and data.startswith(b"Exif\0\0", position + 4):
            exif = data[position + 4 : end]
        position = end
    else:
        raise ImageTooLargeError(
            f"The JPEG has more than {MAX_JPEG_SEGMENTS:,} segments. Save it anew."
        )
    if frame is None:
        raise ValueError("there is no header before the pixels")
    marker, width, height, components = frame
    if marker in JPEG_PROGRESSIVE or data[position + 4] < components:
        _refuse_scans(sum(1 for _ in JPEG_START_OF_SCAN.finditer(data, position)), width * height)
    return head, exif, position


def _refuse_scans(scans: int, pixels: int) -> None:
    if scans > MAX_JPEG_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise ImageTooLargeError(
            f"The JPEG is too much work to decode: {scans} scans of {pixels / 1e6:.1f} million "
            f"pixels. At most {MAX_JPEG_SCANS} scans are accepted, and "
            f"{MAX_SCANNED_PIXELS / 1e6:.0f} million pixels in all of them together. Save it as "
            "a JPEG that is not progressive."
        )


def _read_gif(data: bytes, _: int) -> DecodedImage:
    image = GifImageFile(io.BytesIO(_first_gif_frame(data)))
    image.load()
    return DecodedImage(image, *image.size)


def _first_gif_frame(data: bytes) -> bytes:
    """Return a GIF without the comments and other extensions that lie before its first frame.

    Raises:
        ImageTooLargeError: too many pixels or blocks.
        ValueError, IndexError, struct.error: it is damaged.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    refuse_large(width, height)
    head = position = 13 + (6 << (flags & 7) if flags & 0x80 else 0)
    control = b""
    blocks = 0
    while data[position] != GIF_FRAME:
        if data[position] != GIF_EXTENSION:
            raise ValueError("there is no frame")
        if data[position + 1 : position + 3] == GIF_CONTROL:
            control = data[position : position + 8]
        position += 2
        while data[position]:
            position += 1 + data[position]
            blocks += 1
        position += 1
        blocks += 1
        if blocks > MAX_GIF_BLOCKS:
            raise ImageTooLargeError("The GIF holds too much before its first frame. Save it anew.")
    left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, position + 1)
    # Pillow enlarges the canvas where the frame does not fit on it.
    refuse_large(max(width, left + frame_width), max(height, top + frame_height))
    return data[:head] + control + data[position:]


def _read_webp(data: bytes, _: int) -> DecodedImage:
    refuse_large(*_webp_size(data))
    image = WebPImageFile(io.BytesIO(data))
    image.load()
    return DecodedImage(image, *image.size, read_orientation(image.info.get("exif", b"")))


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height of the canvas, see RFC 9649, 2.5 to 2.7; it is allocated at once."""
    kind = data[12:16]
    if kind == b"VP8X":
        return (
            1 + int.from_bytes(data[24:27], "little"),
            1 + int.from_bytes(data[27:30], "little"),
        )
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _read_bmp(data: bytes, _: int) -> DecodedImage:
    image = BmpImageFile(io.BytesIO(data))
    refuse_large(*image.size)
    if image.info["compression"] in BMP_RUN_LENGTHS and (
        max(len(data), image.width * image.height) > MAX_BMP_RUN_LENGTH_PIXELS
    ):
        raise ImageTooLargeError(
            "The BMP is compressed by run lengths, of which at most "
            f"{MAX_BMP_RUN_LENGTH_PIXELS / 1e6:.0f} million pixels are accepted. Save it as PNG."
        )
    image.load()
    return DecodedImage(image, *image.size)


def _read_tiff(data: bytes, _: int) -> DecodedImage:
    _check_tiff(data)
    image = TiffImageFile(io.BytesIO(data))
    refuse_large(*image.size)
    # It turns the picture by itself, as no other of these does.
    image.load()
    return DecodedImage(image, *image.size)


def _check_tiff(data: bytes) -> None:
    """Look at the first directory, TIFF 6.0, section 2, before Pillow and libtiff trust it.

    Raises:
        ImageTooLargeError: too many pixels, or numbers under a tag.
        UnsupportedFormatError: another compression than those that are known to be tame.
        ValueError, struct.error: it is damaged.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    where, number, entry = ("Q", "Q", "HHQ8s") if big else ("I", "H", "HHI4s")
    (directory,) = struct.unpack_from(order + where, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + number, data, directory)
    if count > MAX_TIFF_TAGS:
        raise ValueError(f"a directory of {count} entries")
    start = directory + struct.calcsize(order + number)
    values = {TIFF_COMPRESSION: 1}
    for index in range(count):
        tag, kind, length, value = struct.unpack_from(
            order + entry, data, start + index * struct.calcsize(order + entry)
        )
        if kind not in TIFF_TEXTS and length > MAX_TIFF_VALUES:
            raise ImageTooLargeError(
                f"The TIFF has more than {MAX_TIFF_VALUES:,} strips or tiles. Save it as PNG."
            )
        if kind in TIFF_VALUE_CODES and length == 1:
            (values[tag],) = struct.unpack_from(order + TIFF_VALUE_CODES[kind], value)
    if values[TIFF_COMPRESSION] not in TIFF_COMPRESSIONS:
        raise UnsupportedFormatError.of("a TIFF with an unusual compression")
    refuse_large(values.get(TIFF_WIDTH, 0), values.get(TIFF_HEIGHT, 0))
    refuse_large(values.get(TIFF_TILE_WIDTH, 1), values.get(TIFF_TILE_HEIGHT, 1))


def _read_avif(data: bytes, _: int) -> DecodedImage:
    return _read_boxes(AvifImageFile, data)


def _read_heif(data: bytes, _: int) -> DecodedImage:
    # libheif turns it, and pillow_heif takes the tag out of the EXIF data.
    return _read_boxes(pillow_heif.HeifImageFile, data)


def _read_boxes(reader: Callable[[io.BytesIO], Image.Image], data: bytes) -> DecodedImage:
    _refuse_truncated_boxes(data)
    image = reader(io.BytesIO(data))
    refuse_large(*image.size)
    image.load()
    return DecodedImage(image, *image.size, read_orientation(image.info.get("exif") or b""))


def _refuse_truncated_boxes(data: bytes) -> None:
    """Raise ``ValueError`` where a box of an ISO base media file ends after ``data``.

    Boxes are defined in ISO/IEC 14496-12, 4.2: a 32-bit size and a type; size 1 says that a 64-bit
    size follows, size 0 that the box goes on to the end of the file. Cameras append data of their
    own, so the first box of another type ends the search.
    """
    position = 0
    while data[position + 4 : position + 8] in IMAGE_FILE_BOXES:
        size = int.from_bytes(data[position : position + 4])
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16])
        if size == 0:
            return
        if size < BOX_HEADER_BYTES or position + size > len(data):
            raise ValueError(f"the box at byte {position} is damaged or incomplete")
        position += size


def _read_ppm(data: bytes, _: int) -> DecodedImage:
    image = read_netpbm(data)
    return DecodedImage(image, *image.size)


# Each takes the file, and how many pixels a side are enough where fewer can be had for less.
READERS: dict[str, Callable[[bytes, int], DecodedImage]] = {
    "AVIF": _read_avif,
    "BMP": _read_bmp,
    "GIF": _read_gif,
    "HEIF": _read_heif,
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "PPM": _read_ppm,
    "TIFF": _read_tiff,
    "WEBP": _read_webp,
}
