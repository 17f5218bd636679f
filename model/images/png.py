"""PNG: reads and checks the chunks, so that Pillow only unpacks the pixels.

Pillow's own reader skips the checksums of the pixels, unpacks texts and colour profiles, which can
be decompression bombs, and takes three times as long for a small picture.
"""

import struct
import zlib

from PIL import Image

from model.images.errors import check_size

SIGNATURE_BYTES = 8
# Number of bytes of a chunk's length, type and checksum together.
CHUNK_BYTES = 12
SIZE = struct.Struct(">II")
HEADER = struct.Struct(">IIBBBBB")
RGB_TYPE, PALETTE_TYPE = 2, 3
BYTE_DEPTH = 8
# Pillow's mode and raw mode by bit depth and colour type.
MODES = {
    (1, 0): ("1", "1"),
    (2, 0): ("L", "L;2"),
    (4, 0): ("L", "L;4"),
    (8, 0): ("L", "L"),
    (16, 0): ("I;16", "I;16B"),
    (8, 2): ("RGB", "RGB"),
    (16, 2): ("RGB", "RGB;16B"),
    (1, 3): ("P", "P;1"),
    (2, 3): ("P", "P;2"),
    (4, 3): ("P", "P;4"),
    (8, 3): ("P", "P"),
    (8, 4): ("LA", "LA"),
    (16, 4): ("RGBA", "LA;16B"),
    (8, 6): ("RGBA", "RGBA"),
    (16, 6): ("RGBA", "RGBA;16B"),
}


def read_png(data: bytes) -> tuple[Image.Image, bytes]:
    """Decode a PNG, or the still picture of an animated one.

    Args:
        data: The whole file. Bytes after the chunk IEND are ignored.

    Returns:
        The picture, and its EXIF data, which are empty if there are none.

    Raises:
        ImageTooLargeError: The header says that there are too many pixels; none was decoded.
        ValueError: The file is damaged.
    """
    if data[12:16] != b"IHDR":
        raise ValueError("the first chunk is not a header")
    check_size(*SIZE.unpack_from(data, 16))
    chunks, pixels = _read_chunks(data)
    width, height, depth, colour_type, compression, filtering, interlace = HEADER.unpack(
        chunks[b"IHDR"]
    )
    if compression or filtering or interlace > 1 or (depth, colour_type) not in MODES:
        raise ValueError("the header holds unknown values")
    mode, raw_mode = MODES[depth, colour_type]
    image = Image.frombytes(mode, (width, height), pixels, "zip", raw_mode, interlace)
    if colour_type == PALETTE_TYPE:
        image.putpalette(chunks[b"PLTE"])
    if b"tRNS" in chunks:
        image.info["transparency"] = _transparency(chunks[b"tRNS"], depth, colour_type)
    return image, chunks.get(b"eXIf", b"")


def _read_chunks(data: bytes) -> tuple[dict[bytes, bytes], bytes | memoryview]:
    """Return the small chunks by type, and the pixels, still compressed."""
    position = SIGNATURE_BYTES
    chunks: dict[bytes, bytes] = {}
    pixels: list[memoryview] = []
    checked = memoryview(data)
    while True:
        end = position + CHUNK_BYTES + int.from_bytes(data[position : position + 4])
        if end > len(data) or position + CHUNK_BYTES > len(data):
            raise ValueError(f"the chunk at byte {position} is incomplete")
        if zlib.crc32(checked[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise ValueError(f"the checksum of the chunk at byte {position} is wrong")
        kind = data[position + 4 : position + 8]
        if kind == b"IDAT":
            pixels.append(checked[position + 8 : end - 4])
        elif kind == b"IEND":
            break
        elif kind in {b"IHDR", b"PLTE", b"tRNS", b"eXIf"}:
            chunks.setdefault(kind, data[position + 8 : end - 4])
        elif not kind[0] & 0x20:
            raise ValueError(f"the critical chunk at byte {position} is of an unknown type")
        position = end
    if not pixels:
        raise ValueError("there are no pixels")
    return chunks, pixels[0] if len(pixels) == 1 else b"".join(pixels)


def _transparency(chunk: bytes, depth: int, colour_type: int) -> bytes | int | tuple[int, ...]:
    """Return what Pillow expects: a palette's alphas, or the one grey or colour that is clear."""
    if colour_type == PALETTE_TYPE:
        return chunk
    values: tuple[int, ...] = struct.unpack(f">{len(chunk) // 2}H", chunk)
    if colour_type == RGB_TYPE:
        # Pillow keeps the high byte of each colour.
        return tuple(value >> (depth - 8) for value in values[:3])
    if depth < BYTE_DEPTH:
        # Pillow stretches greys of fewer bits to 0 … 255.
        white = (1 << depth) - 1
        return (values[0] & white) * (255 // white)
    return values[0]
