"""TIFF: a look at its first directory, before decoders trust it."""

import struct

from model.image_errors import ImageTooLargeError, UnsupportedFormatError, refuse_large

BIG_TIFF = 43
# None, CCITT, LZW, JPEG, Deflate and PackBits. Others may take any memory they like to unpack.
COMPRESSIONS = {1, 2, 3, 4, 5, 6, 7, 8, 32_773, 32_946}
# Numbers under one tag. A strip or a tile is some kilobytes.
MAX_VALUES = 50_000
MAX_TAGS = 1000
TEXTS = {1, 2, 6, 7}
VALUE_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
WIDTH, HEIGHT, COMPRESSION = 256, 257, 259
TILE_WIDTH, TILE_HEIGHT = 322, 323


def check_first_directory(data: bytes) -> None:
    """Look at the first directory, TIFF 6.0, section 2, before Pillow and libtiff trust it.

    Raises:
        ImageTooLargeError: too many pixels, or numbers under a tag.
        UnsupportedFormatError: another compression than those that are known to be tame.
        ValueError, struct.error: it is damaged.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = BIG_TIFF in data[2:4]
    where, number, entry = ("Q", "Q", "HHQ8s") if big else ("I", "H", "HHI4s")
    (directory,) = struct.unpack_from(order + where, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + number, data, directory)
    if count > MAX_TAGS:
        raise ValueError(f"a directory of {count} entries")
    start = directory + struct.calcsize(order + number)
    values = {COMPRESSION: 1}
    for index in range(count):
        tag, kind, length, value = struct.unpack_from(
            order + entry, data, start + index * struct.calcsize(order + entry)
        )
        if kind not in TEXTS and length > MAX_VALUES:
            raise ImageTooLargeError(
                f"The TIFF has more than {MAX_VALUES:,} strips or tiles. Save it as PNG."
            )
        if kind in VALUE_CODES and length == 1:
            (values[tag],) = struct.unpack_from(order + VALUE_CODES[kind], value)
    if values[COMPRESSION] not in COMPRESSIONS:
        raise UnsupportedFormatError.of("a TIFF with an unusual compression")
    refuse_large(values.get(WIDTH, 0), values.get(HEIGHT, 0))
    refuse_large(values.get(TILE_WIDTH, 1), values.get(TILE_HEIGHT, 1))
