"""How much work a picture may be, estimated from its header before any pixel is decoded."""

from model.images.errors import ImageTooLargeError

# Maximum size in millions of pixels by kind of file. In a file of less than 1 MB, the worst of each
# takes a quarter of a second of a processor to decode, and 250 MB of memory (measured on
# 2026-11-26). A HEIF of 25 and a PNG with alpha and odd filters may take 0.3 s, because phones take
# such photos, and large screens such pictures.
MAX_MEGAPIXELS = {
    "AVIF": 14.0,
    "BMP": 64.0,
    "BMP in run lengths": 4.0,
    "GIF": 32.0,
    "HEIF": 25.0,
    "JPEG": 64.0,
    "PNG": 16.0,
    "PNG of 16 bits": 8.0,
    "PPM": 64.0,
    "PPM of other than 8 bits": 0.15,
    "TIFF": 16.0,
    "TIFF in Lab": 9.0,
    "WEBP": 14.0,
}
# Maximum length of a side in pixels, as decoders work row by row.
MAX_SIDE = 20_000


class Budget:
    """Bounds the decoding work for one request, in units of the largest picture of any kind.

    Args:
        work: The work for all pictures together; by default, one may be the largest of its kind.
    """

    def __init__(self, work: float = 1) -> None:
        self._left = work

    def spend(self, kind: str, width: int, height: int, passes: float = 1) -> None:
        """Count a picture that is about to be decoded.

        Args:
            kind: One of :data:`MAX_MEGAPIXELS`.
            width: Width in pixels.
            height: Height in pixels.
            passes: How many times as much work as usual each pixel takes.

        Raises:
            ImageTooLargeError: The picture is too large for its kind, or together with those
                before it.
            ValueError: A side is 0 or less.
        """
        if width <= 0 or height <= 0:
            raise ValueError(f"{width}×{height} pixels")
        pixels, limit = width * height, MAX_MEGAPIXELS[kind] * 1e6 / passes
        if pixels > limit or max(width, height) > MAX_SIDE:
            raise ImageTooLargeError(
                f"The image is too large to decode: it has {width:,}×{height:,} pixels. At most "
                f"{limit / 1e6:.3g} million pixels, and {MAX_SIDE:,} a side, are accepted of a "
                f"{kind} like this one. Send a smaller copy, or a JPEG of at most "
                f"{MAX_MEGAPIXELS['JPEG']:.0f} million."
            )
        if pixels / limit > self._left:
            raise ImageTooLargeError(
                "The instances before this one take all the work that one request may be. Send "
                "this one in a request of its own."
            )
        self._left -= pixels / limit
