"""Detects the format of a file by its first bytes alone."""

import re

from model.images.errors import ImageError, UnreadableImageError, UnsupportedFormatError

# Number of bytes that are inspected at the beginning of a file.
HEAD_BYTES = 1024
# Signatures of the formats that have a fixed one, and patterns for the others.
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
PATTERNS = (
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
    for signature, name in SIGNATURES:
        if data.startswith(signature):
            return name
    for pattern, name in PATTERNS:
        if pattern.match(data):
            return name
    if data[4:8] == b"ftyp":
        brands = _brands(data)
        for known, name in ((AVIF_BRANDS, "AVIF"), (HEIF_BRANDS, "HEIF")):
            if brands & known:
                return name
    raise _error(data[:HEAD_BYTES])


def _error(head: bytes) -> ImageError:
    if b"IHDR" in head[:32]:
        # PNG's signature breaks when line ends are converted or the eighth bit is lost.
        return UnreadableImageError.of("PNG")
    for pattern, found in OTHER_FILE_TYPES:
        if pattern.match(head):
            return UnsupportedFormatError.of(found)
    return UnsupportedFormatError()


def _brands(data: bytes) -> set[bytes]:
    """Return the brands in the first box of an ISO base media file; see ISO/IEC 14496-12, 4.3."""
    end = min(int.from_bytes(data[:4]), HEAD_BYTES)
    compatible = {data[start : start + 4] for start in range(16, end, 4)}
    return {data[8:12], *compatible}
