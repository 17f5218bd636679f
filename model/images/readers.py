"""One reader for each format, which checks what its decoder leaves unchecked and decodes once.

Every reader checks the headers first, and refuses what is too large before it decodes any pixel.
The readers call Pillow's classes by name, as ``Image.open`` tries several and reads a file twice.
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

from model.images import jpeg, tiff
from model.images.errors import ImageTooLargeError, check_size
from model.images.exif import read_orientation
from model.images.netpbm import read_netpbm
from model.images.png import read_png

# Pillow warns about odd metadata, which is never used here. The filter is set once for all, because
# ``catch_warnings`` would affect other threads and takes longer than decoding a small picture.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Maximum number of blocks before a GIF's first frame.
MAX_GIF_BLOCKS = 100_000
GIF_EXTENSION, GIF_FRAME = ord("!"), ord(",")
# Label and size of the graphic control extension, which says which colour is transparent.
GIF_CONTROL = b"\xf9\x04"
# Maximum number of pixels, and of bytes, of a BMP in run lengths, which Pillow unpacks in Python.
MAX_BMP_RUN_LENGTH_PIXELS = 4_000_000
BMP_RUN_LENGTH_COMPRESSIONS = {1, 2}
BOX_HEADER_BYTES = 8
# Pattern of the box with the size of an image, a tile or a thumbnail; see ISO/IEC 23008-12, 6.5.3.
IMAGE_SIZE_BOX = re.compile(rb"ispe\0{4}(.{4})(.{4})", re.DOTALL)
# Types of the boxes that may stand at the top level of a file with a picture.
IMAGE_FILE_BOXES = {b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip"}


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A picture as its decoder returns it.

    Attributes:
        image: The pixels in any mode, not turned yet; a decoder may have reduced them.
        width: Width in pixels that the file states.
        height: Height in pixels that the file states.
        orientation: The EXIF tag, 1 to 8, that says how to turn the picture.
    """

    image: Image.Image
    width: int
    height: int
    orientation: int = 1


def _read_png(data: bytes, _: int) -> DecodedImage:
    image, exif = read_png(data)
    return DecodedImage(image, *image.size, read_orientation(exif) if exif else 1)


def _read_jpeg(data: bytes, enough: int) -> DecodedImage:
    head, exif, scans = jpeg.read_segments(data)
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
    """Return a GIF without the comments and other extensions that lie before its first frame."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    check_size(width, height)
    head = position = 13 + (6 << (flags & 7) if flags & 0x80 else 0)
    control = b""
    blocks = 0
    while data[position] != GIF_FRAME:
        if data[position] != GIF_EXTENSION:
            raise ValueError("the file holds no frame")
        if data[position + 1 : position + 3] == GIF_CONTROL:
            control = data[position : position + 8]
        position += 2
        while data[position]:
            position += 1 + data[position]
            blocks += 1
        position += 1
        blocks += 1
        if blocks > MAX_GIF_BLOCKS:
            raise ImageTooLargeError(
                "The GIF holds too much data before its first frame. Save it again as PNG."
            )
    left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, position + 1)
    # Pillow enlarges a canvas on which the frame does not fit.
    check_size(max(width, left + frame_width), max(height, top + frame_height))
    return data[:head] + control + data[position:]


def _read_webp(data: bytes, _: int) -> DecodedImage:
    check_size(*_webp_size(data))
    image = WebPImageFile(io.BytesIO(data))
    image.load()
    return DecodedImage(image, *image.size, read_orientation(image.info.get("exif", b"")))


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height of the canvas, which is allocated at once; RFC 9649, 2.5 to 2.7."""
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
    check_size(*image.size)
    if image.info["compression"] in BMP_RUN_LENGTH_COMPRESSIONS and (
        max(len(data), image.width * image.height) > MAX_BMP_RUN_LENGTH_PIXELS
    ):
        raise ImageTooLargeError(
            "The BMP is compressed by run lengths and has more than "
            f"{MAX_BMP_RUN_LENGTH_PIXELS / 1e6:.0f} million pixels or bytes. Save it as PNG."
        )
    image.load()
    return DecodedImage(image, *image.size)


def _read_tiff(data: bytes, _: int) -> DecodedImage:
    tiff.check_first_directory(data)
    image = TiffImageFile(io.BytesIO(data))
    check_size(*image.size)
    # Pillow turns a TIFF upright while it loads it, and no other format.
    image.load()
    return DecodedImage(image, *image.size)


def _read_avif(data: bytes, _: int) -> DecodedImage:
    return _read_boxes(AvifImageFile, data)


def _read_heif(data: bytes, _: int) -> DecodedImage:
    # libheif turns the picture upright, and pillow_heif removes the tag from the EXIF data.
    return _read_boxes(pillow_heif.HeifImageFile, data)


def _read_boxes(reader: Callable[[io.BytesIO], Image.Image], data: bytes) -> DecodedImage:
    _check_boxes(data)
    # Pillow's size is the one after cropping; the decoder allocates the one before it.
    for size in IMAGE_SIZE_BOX.finditer(data):
        check_size(*map(int.from_bytes, size.groups()))
    image = reader(io.BytesIO(data))
    check_size(*image.size)
    image.load()
    return DecodedImage(image, *image.size, read_orientation(image.info.get("exif") or b""))


def _check_boxes(data: bytes) -> None:
    """Raise ``ValueError`` if a box of an ISO base media file is cut off by the end of ``data``.

    ISO/IEC 14496-12, 4.2 defines boxes: each begins with a 32-bit size and a type; size 1 means
    that a 64-bit size follows, size 0 that the box ends with the file. Cameras append data of their
    own, so the first box of another type ends the check.
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


# Readers by format. Each takes the whole file, and the number of pixels a side that is enough, to
# which its decoder may reduce the picture if that saves work.
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
