"""Turns the bytes of a picture into the pixels that a network sees.

A picture that is not square is never cropped, as a crop can lose the object. Networks that take any
shape see it in its own, which names 9 more of 100 photographs rightly (benchmarks/README.md). The
others see it squeezed into a square: a crop would be equally good on average, but much worse on the
worst kind of picture (benchmarks/results/non-square-2026-11-22.md).
"""

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from PIL import ExifTags, Image, ImageOps

from model.images.errors import EmptyBodyError, ImageError, ImageTooLargeError, UnreadableImageError
from model.images.formats import detect_format
from model.images.limits import Budget
from model.images.readers import READERS, DecodedImage

# Name, in every answer, of the way in which a picture gets the size of the network: as a square, or
# in its own shape with a shorter side of that size.
Fit = Literal["resize", "keep-aspect"]
# Longest side of a picture that keeps its shape, in multiples of its shorter one. Longer pictures
# are squeezed, as the work for each grows with its length.
LONGEST_SIDE = 2
# Minimum size, in multiples of the final one, to which whole factors may reduce a large picture
# before it is resampled, as in Pillow's ``thumbnail``. Whole factors are fast, and from this
# multiple on they make no visible difference.
REDUCING_GAP = 8
# Approximate number of pixels of the strips in which colours are converted, so that memory holds
# only one full copy of a picture.
STRIP_PIXELS = 1 << 20
# First of the values of the tag Orientation that swap width and height.
QUARTER_TURN = 5
WITH_ALPHA = {"LA", "RGBA"}
WHITE_OF_16_BITS = 65_535
FROM_16_BITS = np.rint(np.arange(WHITE_OF_16_BITS + 1) * (255 / WHITE_OF_16_BITS)).astype(np.uint8)

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A picture as the network sees it, with the facts about the file that was sent.

    Attributes:
        pixels: uint8 ``(H, W, 3)``, RGB, 0 to 255, contiguous and writable; H = W = S for the fit
            ``resize``, else the shorter one is S.
        format: The format by content, one of ``FORMATS``.
        width: Width in pixels of the picture that was sent, turned upright.
        height: Height in pixels of the same.
        fit: The way in which the picture got the size of the network.
    """

    pixels: Pixels
    format: str
    width: int
    height: int
    fit: Fit


def prepare(
    data: bytes | bytearray | memoryview,
    image_size: int,
    fit: Fit = "resize",
    budget: Budget | None = None,
) -> PreparedImage:
    """Decode the first frame of a picture and bring it to the size that a network sees.

    The picture is turned upright, laid on white where it is transparent, and resized as a whole: to
    a square, or so that it keeps its shape, unless one side is more than twice the other. A
    picture that already has the size keeps its pixels unchanged.

    Args:
        data: A whole file in one of ``FORMATS``.
        image_size: Side S of the square, or shorter side of the result, in pixels.
        fit: Whether it becomes a square (``resize``) or keeps its shape (``keep-aspect``).
        budget: What is left of the decoding work for a request of several pictures, which this one
            reduces; by default, the picture is alone.

    Returns:
        The pixels, and what the file says about itself.

    Raises:
        EmptyBodyError: ``data`` is empty.
        UnsupportedFormatError: The format is none of ``FORMATS``.
        ImageTooLargeError: The headers announce too much work; no pixel was decoded.
        UnreadableImageError: The picture can't be decoded for any other reason.
    """
    if not data:
        raise EmptyBodyError
    data = bytes(data)
    image_format = detect_format(data)
    try:
        decoded = READERS[image_format](data, REDUCING_GAP * image_size, budget or Budget())
        pixels = _resize(decoded, image_size, fit)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        message = "The image is too large to decode. Send a smaller copy."
        raise ImageTooLargeError(message) from error
    except Exception as error:
        # Decoders raise whatever a damaged file leads them to (OSError, SyntaxError, struct.error,
        # IndexError, …); each of them means that the file can't be read.
        raise UnreadableImageError(image_format) from error
    width, height = decoded.width, decoded.height
    if decoded.orientation >= QUARTER_TURN:
        width, height = height, width
    return PreparedImage(pixels, image_format, width, height, fit)


def _resize(decoded: DecodedImage, side: int, fit: Fit) -> Pixels:
    """Return the upright pixels, uint8 ``(H, W, 3)``."""
    image = decoded.image
    size = side, side
    if fit == "keep-aspect":
        scale, longest = side / min(decoded.width, decoded.height), LONGEST_SIDE * side
        size = (
            min(round(decoded.width * scale), longest),
            min(round(decoded.height * scale), longest),
        )
    if image.size == size:
        resized = to_rgb(image)
    else:
        least = REDUCING_GAP * side
        factors = max(1, image.width // least), max(1, image.height // least)
        # The last pixel of a reduced row or column may stand for fewer pixels, and counts for less.
        # A decoder, too, reduces by whole factors, and rounds sides up to whole pixels.
        exact = (
            decoded.width / round(decoded.width / image.width) / factors[0],
            decoded.height / round(decoded.height / image.height) / factors[1],
        )
        resized = _reduce(image, *factors).resize(size, Image.Resampling.BICUBIC, (0, 0, *exact))
    if decoded.orientation > 1:
        resized = Image.fromarray(np.asarray(resized))
        resized.getexif()[ExifTags.Base.Orientation] = decoded.orientation
        resized = ImageOps.exif_transpose(resized)
    # This is writable, and takes half as long as np.array, which asks Pillow for a description.
    pixels = np.frombuffer(bytearray(resized.tobytes()), np.uint8)
    return pixels.reshape(resized.height, resized.width, 3)


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
            # Pillow weights colours by their alpha here, so white can be laid below afterwards.
            strip = to_rgb(strip.reduce((across, down)))
        else:
            strip = to_rgb(strip, white).reduce((across, down))
        reduced.paste(strip, (0, top // down))
    return reduced


def to_rgb(image: Image.Image, white: float | None = None) -> Image.Image:
    """Convert a picture of any mode to RGB, with transparency laid on white.

    Args:
        image: A picture in any of Pillow's modes.
        white: The value of white in modes of more than 8 bits; guessed by default.

    Returns:
        The picture in mode RGB and of the same size.

    Raises:
        ValueError: The picture holds infinite values or NaN.
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
    """Scale grey of 16 bits, 32 bits or floating point to 8 bits, which Pillow would only clip."""
    grey = np.asarray(image)
    if image.mode.startswith("I;16"):
        reduced = Image.fromarray(FROM_16_BITS[grey])
    elif np.isfinite(grey).all():
        reduced = Image.fromarray((grey.clip(0, white) * (255 / white)).round().astype(np.uint8))
    else:
        raise ValueError("the image holds values that are not finite")
    transparent_grey = image.info.get("transparency")
    if transparent_grey is not None:
        alpha = np.where(grey == transparent_grey, 0, 255).astype(np.uint8)
        reduced.putalpha(Image.fromarray(alpha))
    return reduced


def _white_level(image: Image.Image) -> float:
    """Guess which value means white, because files of 32 bits don't say."""
    if image.mode not in {"I", "F"}:
        return WHITE_OF_16_BITS
    largest = cast("tuple[float, float]", image.getextrema())[1]
    if image.mode == "F" and largest <= 1:
        return 1.0
    return 255.0 if largest <= np.iinfo(np.uint8).max else WHITE_OF_16_BITS
