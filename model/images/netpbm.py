"""PBM, PGM and PPM, whose variants in text Pillow would read one number at a time."""

import re
from typing import Any

import numpy as np
from PIL import Image

from model.images.errors import check_size

SEPARATOR = rb"(?:\s|#[^\n]*\n)+"
NUMBER = rb"(\d{1,9})"
BITMAP_HEADER = re.compile(rb"P[14]" + (SEPARATOR + NUMBER) * 2 + rb"\s")
HEADER = re.compile(rb"P[2356]" + (SEPARATOR + NUMBER) * 3 + rb"\s")
COMMENT = re.compile(rb"#[^\n]*")
WHITESPACE = b" \t\n\r\v\f"
# Values of white: the largest in files of one byte a value, and the largest of all.
BYTE_WHITE = 255
MAX_WHITE = 65_535

Values = np.ndarray[tuple[int, ...], np.dtype[np.unsignedinteger[Any]]]


def read_netpbm(data: bytes) -> Image.Image:
    """Decode a netpbm file of the kinds P1 to P6.

    Args:
        data: The whole file.

    Returns:
        The picture, in mode L or RGB.

    Raises:
        ImageTooLargeError: The header says that there are too many pixels; none was decoded.
        ValueError: The file is damaged.
    """
    kind = data[1:2]
    header = (BITMAP_HEADER if kind in b"14" else HEADER).match(data)
    if header is None:
        raise ValueError("the header is incomplete")
    width, height, white = (*map(int, header.groups()), 1)[:3]
    check_size(width, height)
    if not 1 <= white <= MAX_WHITE:
        raise ValueError(f"white is {white}")
    shape = (height, width, 3) if kind in b"36" else (height, width)
    body = memoryview(data)[header.end() :]
    values: Values
    if kind == b"4":
        # Every row is padded to a whole byte.
        packed = np.frombuffer(body, np.uint8, height * -(-width // 8)).reshape(height, -1)
        values = np.unpackbits(packed, axis=1, count=width)
    elif kind in b"56":
        values = np.frombuffer(body, np.uint8 if white <= BYTE_WHITE else ">u2", np.prod(shape))
    else:
        values = _read_text(bytes(body), kind, int(np.prod(shape)))
    if kind in b"14":
        values = 1 - values
    return Image.fromarray(_to_8_bits(values.reshape(shape), white))


def _read_text(body: bytes, kind: bytes, count: int) -> Values:
    body = COMMENT.sub(b" ", body)
    if kind == b"1":
        # The digits of a bitmap need no space between them.
        digits = np.frombuffer(body.translate(None, WHITESPACE), np.uint8, count) - ord("0")
        if digits.max() > 1:
            raise ValueError("the bitmap holds digits other than 0 and 1")
        return digits
    if body.translate(None, WHITESPACE + b"0123456789"):
        raise ValueError("the file holds something other than numbers")
    values = np.fromstring(body, np.uint64, sep=" ")[:count]
    if len(values) < count:
        raise ValueError("the file holds too few numbers")
    return values


def _to_8_bits(values: Values, white: int) -> Values:
    if white == BYTE_WHITE and values.dtype == np.uint8:
        return values
    scaled = np.rint(np.arange(white + 1) * (255 / white)).astype(np.uint8)
    reduced: Values = scaled[np.minimum(values, white)]
    return reduced
