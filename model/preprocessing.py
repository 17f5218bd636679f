"""From the bytes of a picture to the pixels that a net sees: the one way, for every door.

Training, evaluation, the TorchServe handler and the Python API all call :func:`prepare` (or
:func:`preprocess`, which is it as a tensor), so the same file gives the same pixels everywhere.

A picture that is not square is resized as a whole, not cropped. On 5,000 images made non-square in
18 ways both are equally good on average (resize -0.33 ± 0.47 points, 95 %). Resize leads by 9
points where the object fills the frame and by 3 where it is at the edge; the crop leads by 13 where
it is small and in the very centre, see benchmarks/results/non-square-2026-11-22.md. Nobody knows
which of these is sent; but a crop can lose the object, and resizing can't: of its worst kind of
picture resize gets 50 % right, the crop 36 %.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.exif import QUARTER_TURNS, TRANSPOSITIONS
from model.image_errors import (
    FORMATS,
    MAX_PIXELS,
    MAX_SIDE,
    EmptyBodyError,
    ImageError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from model.image_formats import recognise
from model.image_readers import READERS, DecodedImage

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MAX_SIDE",
    "EmptyBodyError",
    "ImageError",
    "ImageTooLargeError",
    "PreparedImage",
    "UnreadableImageError",
    "UnsupportedFormatError",
    "prepare",
    "preprocess",
    "to_unit_range",
]

FIT = "resize"
# A large picture is first reduced by whole factors, which is fast, to no less than this many times
# the size that is asked for: what is left shows no difference.
SPARE = 8
# Colours are converted in strips of about as many pixels, so that only one copy of a picture is
# ever held in full.
STRIP_PIXELS = 1 << 20
WITH_ALPHA = {"LA", "RGBA"}
WHITE_OF_16_BITS = 65_535
FROM_16_BITS = np.rint(np.arange(WHITE_OF_16_BITS + 1) * (255 / WHITE_OF_16_BITS)).astype(np.uint8)

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A picture as the net sees it, and what was sent.

    Attributes:
        pixels: uint8 ``(S, S, 3)``, RGB, 0 to 255, contiguous and writable.
        format: one of ``FORMATS``, by content.
        width: of the upright picture as it was sent, in pixels.
        height: likewise.
        fit: how a picture that is not square is made square; always :data:`FIT`.
    """

    pixels: Pixels
    format: str
    width: int
    height: int
    fit: str = FIT


def prepare(data: bytes | bytearray | memoryview, image_size: int) -> PreparedImage:
    """Decode the first frame of a picture and bring it to the size that a net sees.

    It is turned upright, transparency is laid on white, and it is resized as a whole. A picture
    that has the size already keeps its pixels unchanged.

    Args:
        data: a whole file in one of ``FORMATS``.
        image_size: side of the result in pixels.

    Raises:
        EmptyBodyError: ``data`` is empty.
        UnsupportedFormatError: it is in none of ``FORMATS``.
        ImageTooLargeError: too many pixels or too much work, by the headers: nothing was decoded.
        UnreadableImageError: anything else that keeps the picture from being decoded.
    """
    if not data:
        raise EmptyBodyError
    data = bytes(data)
    image_format = recognise(data)
    try:
        decoded = READERS[image_format](data, SPARE * image_size)
        pixels = _to_square(decoded, image_size)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError from error
    except Exception as error:
        # Decoders raise whatever a damaged file leads them to (OSError, SyntaxError, struct.error,
        # IndexError, …); each of them means that the file can't be read.
        raise UnreadableImageError.of(image_format) from error
    width, height = decoded.width, decoded.height
    if decoded.orientation in QUARTER_TURNS:
        width, height = height, width
    return PreparedImage(pixels, image_format, width, height)


def preprocess(data: bytes | bytearray | memoryview, image_size: int) -> Tensor:
    """Return the pixels of :func:`prepare` as training takes them: uint8 ``(3, S, S)``.

    Raises:
        ImageError: see :func:`prepare`.
    """
    return torch.from_numpy(prepare(data, image_size).pixels).permute(2, 0, 1).contiguous()


def to_unit_range(pixels: Tensor) -> Tensor:
    """Scale uint8 pixels 0 to 255 of any shape to float32 in [0, 1]."""
    return pixels.float().div_(255)


def _to_square(decoded: DecodedImage, side: int) -> Pixels:
    """Return uint8 ``(side, side, 3)``, upright."""
    image = decoded.image
    if image.size == (side, side):
        square = to_rgb(image)
    else:
        factors = max(1, image.width // (SPARE * side)), max(1, image.height // (SPARE * side))
        # Where the last pixel of a reduced row stands for fewer pixels, it counts less.
        exact = (
            decoded.width / _whole_scale(decoded.width, image.width) / factors[0],
            decoded.height / _whole_scale(decoded.height, image.height) / factors[1],
        )
        square = _reduce(image, *factors).resize(
            (side, side), Image.Resampling.BICUBIC, (0, 0, *exact)
        )
    transposition = TRANSPOSITIONS.get(decoded.orientation)
    if transposition is not None:
        square = square.transpose(transposition)
    # Half as long as np.array takes, which asks Pillow for a description first; and writable.
    return np.frombuffer(bytearray(square.tobytes()), np.uint8).reshape(side, side, 3)


def _whole_scale(sent: int, decoded: int) -> int:
    """Return the factor that a decoder has reduced a side by, rounding it up to a whole pixel."""
    return round(sent / decoded)


def _reduce(image: Image.Image, across: int, down: int) -> Image.Image:
    """Convert to RGB and average blocks of ``across`` times ``down`` pixels."""
    if across == down == 1:
        return to_rgb(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        return image.reduce((across, down))
    white = _white_level(image)
    reduced = Image.new("RGB", (-(-image.width // across), -(-image.height // down)))
    rows = max(1, STRIP_PIXELS // (image.width * down)) * down
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        if image.mode in WITH_ALPHA:
            # Here colours count by their alpha, so that white can be laid below what is left.
            strip = to_rgb(strip.reduce((across, down)))
        else:
            strip = to_rgb(strip, white).reduce((across, down))
        reduced.paste(strip, (0, top // down))
    return reduced


def to_rgb(image: Image.Image, white: float | None = None) -> Image.Image:
    """Convert a picture of any mode, transparency laid on white.

    Args:
        image: in any of Pillow's modes.
        white: what means white in modes of more than 8 bits; by default it is guessed.

    Raises:
        ValueError: it holds values that are no numbers.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        image = _reduce_to_8_bits(image, white or _white_level(image))
    elif image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white_paper = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white_paper, rgba).convert("RGB")
    return image.convert("RGB")


def _reduce_to_8_bits(image: Image.Image, white: float) -> Image.Image:
    """Scale grey of 16 bits, 32 bits or floating point to 8 bits; Pillow would only clip it."""
    grey = np.asarray(image)
    if image.mode.startswith("I;16"):
        reduced = Image.fromarray(FROM_16_BITS[grey])
    elif np.isfinite(grey).all():
        reduced = Image.fromarray((grey.clip(0, white) * (255 / white)).round().astype(np.uint8))
    else:
        raise ValueError("the image holds values that are no numbers")
    transparent_grey = image.info.get("transparency")
    if transparent_grey is not None:
        alpha = np.where(grey == transparent_grey, 0, 255).astype(np.uint8)
        reduced.putalpha(Image.fromarray(alpha))
    return reduced


def _white_level(image: Image.Image) -> float:
    """Guess which value means white, as files of 32 bits don't say."""
    if image.mode not in {"I", "F"}:
        return WHITE_OF_16_BITS
    largest = cast("tuple[float, float]", image.getextrema())[1]
    if image.mode == "F" and largest <= 1:
        return 1.0
    return 255.0 if largest <= np.iinfo(np.uint8).max else WHITE_OF_16_BITS
