"""The uploaded picture as a page can show it."""

from base64 import b64encode

SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"BM": "image/bmp",
}
AVIF_BRANDS = {b"avif", b"avis"}


def to_data_uri(content: bytes) -> str | None:
    """Return a data: URI of the picture, or None for a format that browsers do not show.

    The content decides, never the file's name: nothing but these formats gets a media type, so
    an SVG or HTML file can never become part of a page.
    """
    media_type = _find_media_type(content)
    if media_type is None:
        return None
    return f"data:{media_type};base64,{b64encode(content).decode('ascii')}"


def _find_media_type(content: bytes) -> str | None:
    for signature, media_type in SIGNATURES.items():
        if content.startswith(signature):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp" and AVIF_BRANDS & _find_brands(content):
        return "image/avif"
    return None


def _find_brands(content: bytes) -> set[bytes]:
    """Return the brands in the file type box that opens an AVIF or HEIC file."""
    box = content[: min(int.from_bytes(content[:4]), 256)]
    return {box[start : start + 4] for start in range(8, len(box), 4)}
