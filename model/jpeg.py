"""JPEG: what decoding needs of a file is taken out of it here, and its work is estimated."""

import re
import struct

from model.exif import PREFIX as EXIF_PREFIX
from model.image_errors import MAX_SCANNED_PIXELS, ImageTooLargeError, refuse_large

# Cameras and converters write ten scans at most, and some dozen segments before them.
MAX_SCANS = 100
MAX_SEGMENTS = 2000
# The marker, the length of the header, the number of components: ITU-T T.81, B.2.3. Two bytes alone
# would also be found by chance in the film that a phone appends to its photo.
START_OF_SCAN = re.compile(rb"\xff\xda\x00[\x08\x0a\x0c\x0e][\x01-\x04]")
SCAN, END, APP1 = 0xDA, 0xD9, 0xE1
# What may follow 0xFF without being a marker.
NO_MARKERS = {0x00, 0xFF}
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
# Huffman tables, arithmetic conditioning, quantisation, restarts, JFIF, Adobe: what decoding needs.
NEEDED = FRAMES | {0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE}


def take_apart(data: bytes) -> tuple[list[bytes], bytes, int]:
    """Return the segments that decoding needs, the EXIF data, and where the scans begin.

    Raises:
        ImageTooLargeError: too many pixels, scans, or segments.
        ValueError: there is no scan, or no header before it.
    """
    head, exif = [data[:2]], b""
    frame: tuple[int, int, int, int] | None = None
    position = 2
    for _ in range(MAX_SEGMENTS):
        position = data.index(b"\xff", position)
        marker = data[position + 1]
        if marker == SCAN:
            break
        if marker in NO_MARKERS:
            position += 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        if marker == END or end > len(data):
            raise ValueError("the file ends before its pixels")
        if marker in NEEDED:
            head.append(data[position:end])
        if marker in FRAMES:
            height, width, components = struct.unpack_from(">HHB", data, position + 5)
            refuse_large(width, height)
            frame = marker, width, height, components
        elif marker == APP1 and not exif and data.startswith(EXIF_PREFIX, position + 4):
            exif = data[position + 4 : end]
        position = end
    else:
        raise ImageTooLargeError(f"The JPEG has more than {MAX_SEGMENTS:,} segments. Save it anew.")
    if frame is None:
        raise ValueError("there is no header before the pixels")
    marker, width, height, components = frame
    if marker in PROGRESSIVE or data[position + 4] < components:
        _refuse_scans(sum(1 for _ in START_OF_SCAN.finditer(data, position)), width * height)
    return head, exif, position


def _refuse_scans(scans: int, pixels: int) -> None:
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise ImageTooLargeError(
            f"The JPEG is too much work to decode: {scans} scans of {pixels / 1e6:.1f} million "
            f"pixels. At most {MAX_SCANS} scans are accepted, and "
            f"{MAX_SCANNED_PIXELS / 1e6:.0f} million pixels in all of them together. Save it as "
            "a JPEG that is not progressive."
        )
