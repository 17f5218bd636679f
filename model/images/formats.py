"""Detects the format of a file by its first bytes alone."""

import re

from model.images.errors import FORMATS, ImageError, UnreadableImageError, UnsupportedFormatError

# Number of bytes that are inspected at the beginning of a file.
HEAD_BYTES = 1024
# Patterns of the beginning of a file.
FORMAT_PATTERNS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), "TIFF"),
    # Many texts begin with the two letters alone, so the pattern holds the header's size as well.
    (re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), "BMP"),
    (re.compile(rb"P[1-6]\s"), "PPM"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WEBP"),
)
# Brands of the ISO base media files that hold pictures.
AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"),
}
# Patterns of other files that people send, and what the error message calls each.
OTHER_FILE_TYPES = (
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL), "a video"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or an office document"),
    (re.compile(rb"[\s\S]*?<svg[\s>]", re.IGNORECASE), "an SVG drawing"),
    (re.compile(rb"[\s\S]*?<(!doctype html|html)[\s>]", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"[\t\n\r -~]+\Z"), "text"),
)


def detect_format(data: bytes) -> str:
    """Return which of ``FORMATS`` a file has.

    Args:
        data: The whole file, or at least its first :data:`HEAD_BYTES` bytes.

    Raises:
        UnsupportedFormatError: The file has none of them; the message says what it is, if known.
        UnreadableImageError: The file is a PNG with a damaged signature.
    """
    for pattern, name in FORMAT_PATTERNS:
        if pattern.match(data):
            return name
    if data[4:8] == b"ftyp":
        # The first box names the brands; see ISO/IEC 14496-12, 4.3.
        end = min(int.from_bytes(data[:4]), HEAD_BYTES)
        brands = {data[start : start + 4] for start in (8, *range(16, end, 4))}
        for known, name in ((AVIF_BRANDS, "AVIF"), (HEIF_BRANDS, "HEIF")):
            if brands & known:
                return name
    raise _error(data[:HEAD_BYTES])


def _error(head: bytes) -> ImageError:
    if b"IHDR" in head[:32]:
        # PNG's signature breaks when line ends are converted or the eighth bit is lost.
        return UnreadableImageError("PNG")
    for pattern, found in OTHER_FILE_TYPES:
        if pattern.match(head):
            return UnsupportedFormatError.of(found)
    formats = ", ".join(FORMATS)
    return UnsupportedFormatError(f"This is not an image in one of these formats: {formats}.")
