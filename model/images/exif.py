"""How a photo must be turned, by its EXIF data; nothing else in them is read."""

import struct

from PIL import Image

# Bytes that a JPEG puts before its EXIF data.
PREFIX = b"Exif\0\0"
BYTE_ORDERS = {b"II": "<", b"MM": ">"}
ORIENTATION_TAG = 0x0112
SHORT_TYPE = 3
ENTRY_BYTES = 12
# Transpositions that undo each value of the tag Orientation; see CIPA DC-008, 4.6.4.
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Orientations that swap width and height.
QUARTER_TURNS = (5, 6, 7, 8)


def read_orientation(exif: bytes) -> int:
    """Read the tag Orientation.

    Cameras and editors write odd metadata, so a tag that can't be read counts as missing.

    Args:
        exif: A TIFF structure, with or without :data:`PREFIX`.

    Returns:
        The orientation, 1 to 8; 1, which means upright, if the tag is missing.
    """
    exif = exif.removeprefix(PREFIX)
    order = BYTE_ORDERS.get(exif[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, directory)
        for start in range(directory + 2, directory + 2 + count * ENTRY_BYTES, ENTRY_BYTES):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, start)
            if tag == ORIENTATION_TAG and kind == SHORT_TYPE:
                return value if value in TRANSPOSITIONS else 1
    except struct.error:
        pass
    return 1
