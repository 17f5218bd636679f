"""TIFF: checks the first directory, before Pillow and libtiff trust it."""

import struct

from model.images.errors import ImageTooLargeError, UnsupportedFormatError
from model.images.limits import Budget

BIG_TIFF = 43
# Compressions that are accepted: none, CCITT, LZW, JPEG, Deflate and PackBits. Nothing bounds the
# memory that others take to unpack.
COMPRESSIONS = {1, 2, 3, 4, 5, 6, 7, 8, 32_773, 32_946}
# Maximum number of values under a tag, hence of strips or tiles, which hold some kilobytes each.
MAX_VALUES = 50_000
MAX_TAGS = 1000
# Types of texts and raw bytes, which may be long without being strips or tiles.
BYTE_TYPES = {1, 2, 6, 7}
# Codes of ``struct`` for the types of whole numbers.
INTEGER_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
WIDTH, HEIGHT, COMPRESSION = 256, 257, 259
TILE_WIDTH, TILE_HEIGHT = 322, 323


def check_first_directory(data: bytes) -> None:
    """Check sizes and compression in the first directory of a file; see TIFF 6.0, section 2.

    Args:
        data: The whole file, a TIFF or BigTIFF.

    Raises:
        ImageTooLargeError: There are too many pixels, or too many values under a tag.
        UnsupportedFormatError: The compression is not one of :data:`COMPRESSIONS`.
        ValueError, struct.error: The file is damaged.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = BIG_TIFF in data[2:4]
    offset, number, entry = ("Q", "Q", "HHQ8s") if big else ("I", "H", "HHI4s")
    (directory,) = struct.unpack_from(order + offset, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + number, data, directory)
    if count > MAX_TAGS:
        raise ValueError(f"the directory has {count} entries")
    start = directory + struct.calcsize(order + number)
    values = {COMPRESSION: 1, WIDTH: 0, HEIGHT: 0, TILE_WIDTH: 1, TILE_HEIGHT: 1}
    for index in range(count):
        tag, kind, length, value = struct.unpack_from(
            order + entry, data, start + index * struct.calcsize(order + entry)
        )
        if kind not in BYTE_TYPES and length > MAX_VALUES:
            raise ImageTooLargeError(
                f"The TIFF has more than {MAX_VALUES:,} strips or tiles. Save it as PNG."
            )
        if kind in INTEGER_CODES and length == 1:
            (values[tag],) = struct.unpack_from(order + INTEGER_CODES[kind], value)
    if values[COMPRESSION] not in COMPRESSIONS:
        raise UnsupportedFormatError.of("a TIFF with an unusual compression")
    for width, height in ((WIDTH, HEIGHT), (TILE_WIDTH, TILE_HEIGHT)):
        Budget().spend("TIFF", values[width], values[height])
