"""The reasons for which a picture is refused, one class for each."""

# Formats that are decoded, recognised by content and never by file name. Formats that run an
# interpreter (EPS, PDF) or nest other files (ICO, ICNS) are left out on purpose.
FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


class ImageError(ValueError):
    """The sender's mistake: the picture can't be classified.

    Args:
        message: What is wrong and what to do; ``default_message`` by default.

    Attributes:
        code: The HTTP status of the answer.
        default_message: The message of an error that is raised without one.
    """

    code = 400
    default_message = "The image can't be classified."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default_message)


class EmptyBodyError(ImageError):
    """The request holds no bytes."""

    default_message = "No image was received: 0 bytes. Send the whole file."


class UnsupportedFormatError(ImageError):
    """The bytes are in none of :data:`FORMATS`, whatever their name or content type says."""

    code = 415
    default_message = f"This is not an image in one of these formats: {', '.join(FORMATS)}."

    @classmethod
    def of(cls, found: str) -> "UnsupportedFormatError":
        """Return the error for something that was recognised, such as ``a PDF document``."""
        return cls(f"This is {found}. Send an image in one of these formats: {', '.join(FORMATS)}.")


class UnreadableImageError(ImageError):
    """The bytes begin as one of :data:`FORMATS` does, but can't be decoded."""

    default_message = "The image is damaged or incomplete. Send the whole file again."

    @classmethod
    def of(cls, image_format: str) -> "UnreadableImageError":
        """Return the error for a file that was recognised as one of :data:`FORMATS`."""
        return cls(
            f"The {image_format} image is damaged, incomplete or of a rare kind that can't be "
            "read. Send the whole file, or save it again as PNG or JPEG."
        )


class ImageTooLargeError(ImageError):
    """The picture exceeds one of the limits in ``model.images.limits``; the message says which."""

    code = 413
    default_message = "The image is too large to decode. Send a smaller copy."
