"""JPEG: keeps the segments that decoding needs, and bounds the work before Pillow decodes."""

import re
import struct

from model.images.errors import ImageTooLargeError, check_size
from model.images.exif import PREFIX as EXIF_PREFIX

# Maximum number of scans, of which cameras and converters write at most ten, and of segments before
# them, of which they write a few dozen.
MAX_SCANS = 100
MAX_SEGMENTS = 2000
# Maximum number of pixels times scans, as decoding goes over all pixels once per scan: this many
# take half a second.
MAX_SCANNED_PIXELS = 640_000_000
# Pattern of a scan's header: marker, length, number of components; see ITU-T T.81, B.2.3. The two
# bytes of the marker also occur by chance in the video that a phone appends to its photo.
START_OF_SCAN = re.compile(rb"\xff\xda\x00[\x08\x0a\x0c\x0e][\x01-\x04]")
# Second bytes of the markers, the first of which is always 0xFF.
SCAN, END, APP1 = 0xDA, 0xD9, 0xE1
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE_FRAMES = {0xC2, 0xC6, 0xCA, 0xCE}
# Bytes that may follow 0xFF although they are not markers.
STUFFING = {0x00, 0xFF}
# Markers of the segments that decoding needs: frames, Huffman tables, arithmetic conditioning,
# quantisation, restarts, JFIF and Adobe.
NEEDED = FRAMES | {0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE}


def read_segments(data: bytes) -> tuple[list[bytes], bytes, int]:
    """Read the segments before the pixels, and check the work that the pixels will take.

    Args:
        data: The whole file.

    Returns:
        The segments that decoding needs, the EXIF data (empty if there are none), and the position
        of the first scan in ``data``.

    Raises:
        ImageTooLargeError: The file has too many pixels, scans or segments.
        ValueError: The file has no scan, or no header before it.
    """
    head, exif = [data[:2]], b""
    frame: tuple[int, int, int, int] | None = None
    position = 2
    for _ in range(MAX_SEGMENTS):
        position = data.index(b"\xff", position)
        marker = data[position + 1]
        if marker == SCAN:
            break
        if marker in STUFFING:
            position += 1
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        if marker == END or end > len(data):
            raise ValueError("the file ends before its pixels")
        if marker in NEEDED:
            head.append(data[position:end])
        if marker in FRAMES:
            height, width, components = struct.unpack_from(">HHB", data, position + 5)
            check_size(width, height)
            frame = marker, width, height, components
        elif marker == APP1 and not exif and data.startswith(EXIF_PREFIX, position + 4):
            exif = data[position + 4 : end]
        position = end
    else:
        raise ImageTooLargeError(
            f"The JPEG has more than {MAX_SEGMENTS:,} segments. Save it again in another program."
        )
    if frame is None:
        raise ValueError("there is no header before the pixels")
    marker, width, height, components = frame
    if marker in PROGRESSIVE_FRAMES or data[position + 4] < components:
        _check_scans(sum(1 for _ in START_OF_SCAN.finditer(data, position)), width * height)
    return head, exif, position


def _check_scans(scans: int, pixels: int) -> None:
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise ImageTooLargeError(
            f"The JPEG takes too much work to decode: it has {scans} scans of {pixels / 1e6:.1f} "
            f"million pixels. At most {MAX_SCANS} scans and, in all of them together, "
            f"{MAX_SCANNED_PIXELS / 1e6:.0f} million pixels are accepted. Save it as a JPEG that "
            "is not progressive."
        )
