"""From the bytes of a picture to the pixels that a net sees: the one way, for every door.

Training, evaluation, the TorchServe handler and the Python API all call :func:`preprocess` and
:func:`to_unit_range`, so the same file gives the same pixels everywhere.
"""

import io
import re
import warnings

import numpy as np
import pillow_heif
import torch
from PIL import ExifTags, Image
from torch import Tensor

Image.init()
pillow_heif.register_heif_opener()

# Decided by content, never by file name. Formats that run an interpreter (EPS, PDF) or nest other
# files (ICO, ICNS) are left out on purpose.
FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 64_000_000
MAX_SIDE = 20_000
# Cameras and converters write ten at most, and each costs a pass over all pixels.
MAX_JPEG_SCANS = 100
# The marker, the length of the header, the number of components: ITU-T T.81, B.2.3. Two bytes alone
# would also be found by chance in the film that a phone appends to its photo.
JPEG_START_OF_SCAN = re.compile(rb"\xff\xda\x00[\x08\x0a\x0c\x0e][\x01-\x04]")
BOX_HEADER_BYTES = 8
IMAGE_FILE_BOXES = {b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip"}
# What undoes each value of the EXIF tag Orientation, see CIPA DC-008, 4.6.4.
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(ValueError):
    """A picture that can't be classified through the sender's fault; ``code`` is an HTTP status."""

    code = 400
    default_message = "The image can't be classified."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default_message)


class EmptyImageError(ImageError):
    """There are no bytes."""

    default_message = "No image was received: 0 bytes. Send the whole file."


class UnreadableImageError(ImageError):
    """The bytes are no picture in one of :data:`FORMATS`, or a damaged one."""

    default_message = (
        "The bytes can't be read as an image. Send a whole, undamaged file in one of these "
        f"formats: {', '.join(FORMATS)}."
    )


class ImageTooLargeError(ImageError):
    """More than :data:`MAX_PIXELS` pixels, :data:`MAX_SIDE` a side, or too many JPEG scans."""

    code = 413
    default_message = (
        f"The image is too large to decode: at most {MAX_PIXELS / 1e6:.0f} million pixels, "
        f"{MAX_SIDE:,} pixels a side and {MAX_JPEG_SCANS} scans of a JPEG are accepted."
    )


def decode_image(data: bytes) -> Image.Image:
    """Decode the first frame of a picture, upright and in full.

    Args:
        data: a whole file in one of :data:`FORMATS`.

    Returns:
        The picture in RGB, turned as its EXIF orientation says, transparency laid on white.

    Raises:
        EmptyImageError: ``data`` is empty.
        ImageTooLargeError: too many pixels or scans, by the headers: nothing was decoded.
        UnreadableImageError: anything else that keeps the picture from being decoded.
    """
    if not data:
        raise EmptyImageError
    try:
        with warnings.catch_warnings():
            # Pillow warns of what we refuse below, and of metadata that is no concern of ours.
            warnings.simplefilter("ignore")
            _refuse_damage_that_decoders_overlook(data)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _to_rgb(_turn_upright(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError from error
    except Exception as error:
        # Pillow's decoders raise whatever a damaged file leads them to (OSError, SyntaxError,
        # struct.error, IndexError, …); each of them means that the file can't be read.
        raise UnreadableImageError from error


def preprocess(data: bytes, image_size: int) -> Tensor:
    """Decode a picture and shrink (or enlarge) it to what a net sees.

    The whole picture is resized, also a non-square one, as the original program did. A picture
    that has the size already keeps its pixels unchanged.

    Args:
        data: a whole file, see :func:`decode_image`.
        image_size: side of the result in pixels.

    Returns:
        uint8 ``(3, image_size, image_size)``, RGB, 0 to 255.

    Raises:
        ImageError: see :func:`decode_image`.
    """
    image = decode_image(data).resize((image_size, image_size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def to_unit_range(pixels: Tensor) -> Tensor:
    """Scale uint8 pixels 0 to 255 of any shape to float32 in [0, 1]."""
    return pixels.float().div_(255)


def _refuse_damage_that_decoders_overlook(data: bytes) -> None:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
            raise ImageTooLargeError
        if image.format in {"JPEG", "MPO"}:
            scans = sum(1 for _ in JPEG_START_OF_SCAN.finditer(data))
            if scans > MAX_JPEG_SCANS:
                raise ImageTooLargeError
        if image.format == "PNG":
            # Decoding skips the checksums of the pixel data, verifying does not; an image that
            # was verified can't be decoded any more, so the file is opened twice.
            image.verify()
        if image.format in {"AVIF", "HEIF"}:
            _refuse_truncated_boxes(data)


def _refuse_truncated_boxes(data: bytes) -> None:
    """Raise ``ValueError`` where a box of an ISO base media file ends after ``data``.

    Boxes are defined in ISO/IEC 14496-12, 4.2: a 32-bit size and a type; size 1 says that a 64-bit
    size follows, size 0 that the box goes on to the end of the file. Cameras append data of their
    own, so the first box of another type ends the search.
    """
    position = 0
    while data[position + 4 : position + 8] in IMAGE_FILE_BOXES:
        size = int.from_bytes(data[position : position + 4])
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16])
        if size == 0:
            return
        if size < BOX_HEADER_BYTES or position + size > len(data):
            raise ValueError(f"the box at byte {position} is damaged or incomplete")
        position += size


def _turn_upright(image: Image.Image) -> Image.Image:
    # ImageOps.exif_transpose also writes the metadata anew, and fails where a camera left odd ones.
    transposition = TRANSPOSITIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if transposition is None else image.transpose(transposition)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        image = _reduce_to_8_bits(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _reduce_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale grey of 16 bits, 32 bits or floating point to 8 bits; Pillow would only clip it."""
    grey = np.asarray(image)
    if not np.isfinite(grey).all():
        raise ValueError("the image holds values that are no numbers")
    white = _white_level(image.mode, float(grey.max()))
    reduced = Image.fromarray((grey.clip(0, white) * (255 / white)).round().astype(np.uint8))
    transparent_grey = image.info.get("transparency")
    if transparent_grey is not None:
        alpha = np.where(grey == transparent_grey, 0, 255).astype(np.uint8)
        reduced.putalpha(Image.fromarray(alpha))
    return reduced


def _white_level(mode: str, largest: float) -> float:
    """Guess which value means white, as files of 32 bits don't say."""
    if mode == "F" and largest <= 1:
        return 1.0
    return 255.0 if mode in {"I", "F"} and largest <= np.iinfo(np.uint8).max else 65_535.0
