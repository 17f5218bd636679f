"""What can be wrong with a picture, one class for each cause, and the limits behind it."""

# Decided by content, never by file name. Formats that run an interpreter (EPS, PDF) or nest other
# files (ICO, ICNS) are left out on purpose.
FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 64_000_000
MAX_SIDE = 20_000
# A progressive JPEG goes over its pixels once in each scan; cameras and converters write ten. So
# many take half a second.
MAX_SCANNED_PIXELS = 640_000_000


class ImageError(ValueError):
    """A picture that can't be classified through the sender's fault; ``code`` is an HTTP status."""

    code = 400
    default_message = "The image can't be classified."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default_message)


class EmptyBodyError(ImageError):
    """There are no bytes."""

    default_message = "No image was received: 0 bytes. Send the whole file."


class UnsupportedFormatError(ImageError):
    """The bytes are in none of :data:`FORMATS`, whatever their name or content type says."""

    code = 415
    default_message = f"This is no image in one of these formats: {', '.join(FORMATS)}."

    @classmethod
    def of(cls, found: str) -> "UnsupportedFormatError":
        """Return the error for something that was recognised, such as ``a PDF document``."""
        return cls(f"This is {found}. Send an image in one of these formats: {', '.join(FORMATS)}.")


class UnreadableImageError(ImageError):
    """The bytes begin as one of :data:`FORMATS` does, but can't be decoded."""

    default_message = "The image is damaged or incomplete. Send the whole file once more."

    @classmethod
    def of(cls, image_format: str) -> "UnreadableImageError":
        """Return the error for a file that is recognisably one of :data:`FORMATS`."""
        return cls(
            f"The {image_format} image is damaged, incomplete or of a rare kind that can't be "
            "read. Send the whole file, or save it anew as PNG or JPEG."
        )


class ImageTooLargeError(ImageError):
    """More than :data:`MAX_PIXELS` pixels, :data:`MAX_SIDE` a side, or too much work a pixel."""

    code = 413
    default_message = (
        f"The image is too large to decode: at most {MAX_PIXELS / 1e6:.0f} million pixels and "
        f"{MAX_SIDE:,} pixels a side are accepted. Send a smaller copy."
    )


def refuse_large(width: int, height: int) -> None:
    """Raise ``ImageTooLargeError`` where a size in pixels is above the limits.

    Raises:
        ImageTooLargeError: it is.
        ValueError: a side is 0 or less, so that there is no picture at all.
    """
    if width <= 0 or height <= 0:
        raise ValueError(f"{width}×{height} pixels")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageTooLargeError
