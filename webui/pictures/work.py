"""What it takes to decode a picture, estimated from its header: nothing is decoded here."""

import re
from io import BytesIO

from PIL import Image, PngImagePlugin

# Bounds of what is unpacked of a PNG's texts, as nothing else is.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 2**18
FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "BMP", "PPM", "TIFF"]
# First bytes of these.
SIGNATURES = re.compile(rb"(\xff\xd8)|\x89PNG|GIF8|RIFF|BM|P[1-6]|II|MM")
# Size in AVIF and HEIC, and the part of a file in which it is looked for.
SIZE_BOX = re.compile(rb"ispe\0{4}(.{4})(.{4})", re.DOTALL)
MAX_BOXES_BYTES = 65_536
# Units of work for a million pixels, each some 20 ms; a JPEG is decoded at a reduced scale.
UNITS, JPEG_UNITS = 1.0, 0.25
# Millions of pixels that a picture counts with whose size can't be seen.
HIDDEN_SIZE = 64.0
# Bounds of what is read: Pillow reads in Python, in small pieces, and as often as a hostile file
# likes. Only the decoder of WebP takes the whole file, and goes through it in no time.
MAX_READS = 500
MAX_BYTES = 2**20


class Header(BytesIO):
    """A file of which only so much is read; beyond that, reading raises ``OSError``."""

    reads = length = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to ``size`` bytes, or all of them."""
        content = super().read(size)
        self.reads += 1
        self.length += 0 if size == -1 else len(content)
        if self.reads > MAX_READS or self.length > MAX_BYTES:
            raise OSError("too much for a header")
        return content


def estimate_work(content: bytes) -> int:
    """Return what a picture takes in units of work: 1 for a small one, and for what is none.

    The model's decoder may read what Pillow does not, so a header that is damaged or hidden counts
    as that of the largest picture.
    """
    is_boxes = content[4:8] == b"ftyp"
    signature = SIGNATURES.match(content)
    if not is_boxes and not signature:
        return 1
    rate = JPEG_UNITS if signature and signature[1] else UNITS
    size = _read_boxes(content) if is_boxes else _read_header(content)
    return 1 + int(min(size, HIDDEN_SIZE) * rate)


def _read_boxes(content: bytes) -> float:
    boxes = SIZE_BOX.findall(content, 0, MAX_BOXES_BYTES)
    sizes = (int.from_bytes(width) * int.from_bytes(height) / 1e6 for width, height in boxes)
    return max(sizes, default=HIDDEN_SIZE)


def _read_header(content: bytes) -> float:
    try:
        with Image.open(Header(content), formats=FORMATS) as image:
            return image.width * image.height / 1e6
    except Exception:  # noqa: BLE001 - Pillow raises whatever a damaged file leads it to
        return HIDDEN_SIZE
