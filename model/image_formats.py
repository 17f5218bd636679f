"""Which format a file has, by its first bytes alone."""

import re

from model.image_errors import ImageError, UnreadableImageError, UnsupportedFormatError

# The first bytes that are looked at; where text is looked for in what is no image.
HEAD_BYTES = 1024
MAGIC = (
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
    # Its first two bytes alone would be found in many a text.
    (re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), "BMP"),
    (re.compile(rb"P[1-6][\s#]"), "PPM"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WEBP"),
)
AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"),
}
FOREIGN = (
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"8BPS"), "a Photoshop document (PSD)"),
    (re.compile(rb"\x00\x00\x01\x00[^\x00]"), "an icon (ICO)"),
    (re.compile(rb"\x00\x00\x02\x00[^\x00]"), "a mouse pointer (CUR)"),
    (re.compile(rb"icns"), "an icon (ICNS)"),
    (re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"), "a JPEG 2000 image"),
    (re.compile(rb"\x00\x00\x00\x0cJXL |\xff\x0a"), "a JPEG XL image"),
    (re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"), "a PostScript document (EPS)"),
    (re.compile(rb"qoif"), "a QOI image"),
    (re.compile(rb"\x76\x2f\x31\x01"), "an OpenEXR image"),
    (re.compile(rb"#\?RADIANCE"), "a Radiance HDR image"),
    (re.compile(rb"FUJIFILM"), "a camera's raw file"),
    (re.compile(rb"....ftypcrx ", re.DOTALL), "a camera's raw file"),
    (re.compile(rb"....ftyp", re.DOTALL), "a video or another kind of MP4 file"),
    (re.compile(rb"\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL), "a video"),
    (re.compile(rb"RIFF....WAVE|OggS|ID3|fLaC", re.DOTALL), "a sound"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or an office document"),
    (re.compile(rb"\x1f\x8b|7z\xbc\xaf|Rar!"), "a compressed archive"),
    (re.compile(rb"[\s\S]*?<svg[\s>]", re.IGNORECASE), "an SVG drawing"),
    (re.compile(rb"[\s\S]*?<(!doctype html|html)[\s>]", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"[\t\n\r -~]+\Z"), "text"),
)


def recognise(data: bytes) -> str:
    """Return which of ``FORMATS`` a file has.

    Args:
        data: the whole file, or at least its first kilobyte.

    Raises:
        UnsupportedFormatError: none of them; the message says what it is instead, where known.
        UnreadableImageError: it was a PNG until its signature was damaged.
    """
    for magic, name in MAGIC:
        if data.startswith(magic):
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
        # Its signature is made to show what happened: line ends were converted, or bit 8 was lost.
        return UnreadableImageError.of("PNG")
    for pattern, found in FOREIGN:
        if pattern.match(head):
            return UnsupportedFormatError.of(found)
    return UnsupportedFormatError()


def _brands(data: bytes) -> set[bytes]:
    """Return the brands in the first box of an ISO base media file, ISO/IEC 14496-12, 4.3."""
    end = min(int.from_bytes(data[:4]), HEAD_BYTES)
    compatible = {data[start : start + 4] for start in range(16, end, 4)}
    return {data[8:12], *compatible}
