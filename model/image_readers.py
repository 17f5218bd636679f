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

from model import jpeg, tiff
from model.exif import read_orientation
from model.image_errors import ImageTooLargeError, refuse_large
from model.netpbm import read_netpbm
from model.png import read_png

# Pillow warns of odd metadata, which is no concern of ours. Set once: what `catch_warnings` does
# for a single call would also hold for the other threads, and takes longer than a small picture.
warnings.filterwarnings("ignore", module=r"PIL\.")

MAX_GIF_BLOCKS = 100_000
GIF_EXTENSION, GIF_FRAME = ord("!"), ord(",")
# The label and the size of a graphic control extension, which says what is transparent.
GIF_CONTROL = b"\xf9\x04"
# Run lengths are unpacked by Python code.
MAX_BMP_RUN_LENGTH_PIXELS = 4_000_000
BMP_RUN_LENGTHS = {1, 2}
BOX_HEADER_BYTES = 8
# ISO/IEC 23008-12, 6.5.3: of an image, a tile or a thumbnail.
IMAGE_SIZE_BOX = re.compile(rb"ispe\0{4}(.{4})(.{4})", re.DOTALL)
IMAGE_FILE_BOXES = {b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip"}


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
    head, exif, scans = jpeg.take_apart(data)
    image = JpegImageFile(io.BytesIO(b"".join((*head, memoryview(data)[scans:]))))
    width, height = image.size
    if min(width, height) >= 2 * enough:
        image.draft(None, (enough, enough))
    image.load()
    return DecodedImage(image, width, height, read_orientation(exif))


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
    tiff.check_first_directory(data)
    image = TiffImageFile(io.BytesIO(data))
    refuse_large(*image.size)
    # It turns the picture by itself, as no other of these does.
    image.load()
    return DecodedImage(image, *image.size)


def _read_avif(data: bytes, _: int) -> DecodedImage:
    return _read_boxes(AvifImageFile, data)


def _read_heif(data: bytes, _: int) -> DecodedImage:
    # libheif turns it, and pillow_heif takes the tag out of the EXIF data.
    return _read_boxes(pillow_heif.HeifImageFile, data)


def _read_boxes(reader: Callable[[io.BytesIO], Image.Image], data: bytes) -> DecodedImage:
    _refuse_truncated_boxes(data)
    # Before any cropping, which Pillow's size is told after.
    for size in IMAGE_SIZE_BOX.finditer(data):
        refuse_large(*map(int.from_bytes, size.groups()))
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
