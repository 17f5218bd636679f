"""The reasons for which a picture is refused, one class for each."""

# Formats that are decoded, recognised by content and never by file name. Formats that run an
# interpreter (EPS, PDF) or nest other files (ICO, ICNS) are left out on purpose.
FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


class ImageError(ValueError):
    """The sender's mistake; the message says what is wrong and what to do.

    Attributes:
        code: The HTTP status of the answer.
    """

    code = 400


class EmptyBodyError(ImageError):
    """The request holds no bytes."""

    def __init__(
        self, message: str = "No image was received: 0 bytes. Send the whole file."
    ) -> None:
        super().__init__(message)


class UnsupportedFormatError(ImageError):
    """The bytes are in none of :data:`FORMATS`, whatever their name or content type says."""

    code = 415

    @classmethod
    def of(cls, found: str) -> "UnsupportedFormatError":
        """Return the error for something that was recognised, such as ``a PDF document``."""
        return cls(f"This is {found}. Send an image in one of these formats: {', '.join(FORMATS)}.")


class UnreadableImageError(ImageError):
    """The bytes begin as one of :data:`FORMATS` does, but can't be decoded."""

    def __init__(self, image_format: str) -> None:
        super().__init__(
            f"The {image_format} image is damaged, incomplete or of a rare kind that can't be "
            "read. Send the whole file, or save it again as PNG or JPEG."
        )


class ImageTooLargeError(ImageError):
    """The picture exceeds one of the limits in ``model.images.limits``; the message says which."""

    code = 413
