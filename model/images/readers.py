"""One reader for each format, which checks what its decoder leaves unchecked and decodes once.

Every reader checks the headers first, and refuses what is too much work before it decodes any
pixel. They call Pillow's classes by name, as ``Image.open`` tries several and reads a file twice.
"""

import io
import math
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import pillow_heif
from PIL import ExifTags, Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile, PngStream
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from model.images.errors import ImageTooLargeError, UnsupportedFormatError
from model.images.limits import Budget
from model.images.tiff import check_first_directory

# Pillow warns about odd metadata, which is never used here. The filter is set once for all, because
# ``catch_warnings`` would affect other threads and takes longer than decoding a small picture.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Chunks of a PNG that Pillow would unpack, any number of them, to a thousand times their size.
# Without its methods for them, it passes over them as over unknown ones.
for chunk in ("iCCP", "iTXt", "tEXt", "zTXt"):
    delattr(PngStream, f"chunk_{chunk}")

# Maximum number of pieces that Pillow reads in Python: of the headers, which consist of a few dozen
# in ordinary files, and of the pixels.
MAX_HEADER_PIECES, MAX_PIECES = 3000, 1_000_000
# Beginning of the header of a JPEG's scan; see ITU-T T.81, B.2.3.
START_OF_SCAN = b"\xff\xda\x00"
MAX_SCANS = 100
# Scans times planes of full size up to which a JPEG counts as usual: those of a photo that is
# progressive. And planes, as all of their coefficients are in memory if there are several scans.
USUAL_SCANNED_PLANES, USUAL_PLANES = 15, 3
BMP_RUN_LENGTH_COMPRESSIONS = {1, 2}
# Differences between the greys of a PNG of 2 or 4 bits, by Pillow's raw mode.
PNG_GREY_STEPS = {"L;2": 85, "L;4": 17}
BOX_HEADER_BYTES = 8
# Pattern of the box with the size of an image, a tile or a thumbnail; see ISO/IEC 23008-12, 6.5.3.
IMAGE_SIZE_BOX = re.compile(rb"ispe\0{4}(.{4})(.{4})", re.DOTALL)
# Values of the tag Orientation; 1 means upright. See CIPA DC-008, 4.6.4.
TURNS = range(1, 9)
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


class _File(io.BytesIO):
    """A file of which a decoder may read only so many pieces."""

    pieces_left = MAX_HEADER_PIECES

    def read(self, size: int | None = -1, /) -> bytes:
        self.pieces_left -= 1
        if self.pieces_left < 0:
            raise ImageTooLargeError(
                "The image file consists of too many pieces. Save it again in another program."
            )
        return super().read(size)


def _read_as_it_is(
    kind: str, opener: Callable[[_File], Image.Image], data: bytes, _: int, budget: Budget
) -> DecodedImage:
    image = opener(_File(data))
    budget.spend(kind, *image.size)
    return _load(image)


def _read_boxes(
    kind: str, opener: Callable[[_File], Image.Image], data: bytes, _: int, budget: Budget
) -> DecodedImage:
    _check_boxes(data)
    image = opener(_File(data))
    # Pillow's size is the one after cropping; the decoder allocates the one before it.
    boxes = [tuple(map(int.from_bytes, box.groups())) for box in IMAGE_SIZE_BOX.finditer(data)]
    budget.spend(kind, *max((image.size, *boxes), key=math.prod))
    return _load(image)


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


def _read_bmp(data: bytes, _: int, budget: Budget) -> DecodedImage:
    image = BmpImageFile(_File(data))
    in_run_lengths = image.info["compression"] in BMP_RUN_LENGTH_COMPRESSIONS
    budget.spend("BMP in run lengths" if in_run_lengths else "BMP", *image.size)
    return _load(image)


def _read_jpeg(data: bytes, enough: int, budget: Budget) -> DecodedImage:
    image = JpegImageFile(_File(data))
    # Some bytes of EXIF data, or of a video that a phone appends, count as scans, too.
    scans = data.count(START_OF_SCAN)
    if scans > MAX_SCANS:
        raise ImageTooLargeError(
            f"The JPEG has more than {MAX_SCANS} scans. Save it as one that is not progressive."
        )
    factors = [(across, down) for _, across, down, _ in image.layer]
    planes = sum(map(math.prod, factors)) / math.prod(map(max, zip(*factors, strict=True)))
    passes = max(1, scans * planes / USUAL_SCANNED_PLANES, planes / USUAL_PLANES)
    size = image.size
    budget.spend("JPEG", *size, passes)
    if min(size) >= 2 * enough:
        image.draft(None, (enough, enough))
    return _load(image, size)


def _read_png(data: bytes, _: int, budget: Budget) -> DecodedImage:
    image = PngImageFile(_File(data))
    raw_mode = str(image.tile[0].args)
    has_16_bits = raw_mode.endswith("16B")
    budget.spend("PNG of 16 bits" if has_16_bits else "PNG", *image.size)
    if b"IEND" not in data:
        raise ValueError("the end is missing")
    decoded = _load(image)
    clear = image.info.get("transparency")
    if image.mode == "RGB" and has_16_bits and clear:
        # Pillow keeps the high byte of each colour.
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    elif raw_mode in PNG_GREY_STEPS and isinstance(clear, int):
        # Pillow stretches greys of fewer bits to 0 … 255.
        image.info["transparency"] = clear * PNG_GREY_STEPS[raw_mode]
    return decoded


def _read_ppm(data: bytes, _: int, budget: Budget) -> DecodedImage:
    if data[1:2] in b"123":
        raise UnsupportedFormatError(
            "This is a netpbm image in text. Save it in the binary kind of that format, or as PNG."
        )
    image = PpmImageFile(_File(data))
    is_raw = image.tile[0].codec_name == "raw"
    budget.spend("PPM" if is_raw else "PPM of other than 8 bits", *image.size)
    decoded = _load(image)
    # Mode I does not say that values of 16 bits are meant.
    return replace(decoded, image=image.convert("I;16")) if image.mode == "I" else decoded


def _read_tiff(data: bytes, _: int, budget: Budget) -> DecodedImage:
    check_first_directory(data)
    image = TiffImageFile(_File(data))
    budget.spend("TIFF in Lab" if image.mode == "LAB" else "TIFF", *image.size)
    return _load(image)


def _load(image: Image.Image, size: tuple[int, int] | None = None) -> DecodedImage:
    """Decode the pixels, and read how to turn them.

    Args:
        image: The file, of which Pillow has read the headers.
        size: Width and height that the file states; by default, as decoded, because Pillow turns a
            TIFF upright while it loads it.
    """
    if isinstance(file := getattr(image, "fp", None), _File):
        file.pieces_left = MAX_PIECES
    image.load()
    orientation = 1
    # Cameras and editors write odd metadata, so a tag that can't be read counts as missing.
    with suppress(Exception):
        if "exif" in image.info and (found := image.getexif()[ExifTags.Base.Orientation]) in TURNS:
            orientation = found
    return DecodedImage(image, *(size or image.size), orientation)


# Readers by format. Each takes the whole file, the number of pixels a side that is enough, to
# which its decoder may reduce the picture if that saves work, and what is left of the work for the
# request.
READERS: dict[str, Callable[[bytes, int, Budget], DecodedImage]] = {
    "AVIF": partial(_read_boxes, "AVIF", AvifImageFile),
    "BMP": _read_bmp,
    "GIF": partial(_read_as_it_is, "GIF", GifImageFile),
    # libheif turns the picture upright, and pillow_heif removes the tag from the EXIF data.
    "HEIF": partial(_read_boxes, "HEIF", pillow_heif.HeifImageFile),
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "PPM": _read_ppm,
    "TIFF": _read_tiff,
    "WEBP": partial(_read_as_it_is, "WEBP", WebPImageFile),
}
