"""A small whole file of every format, in the kinds that take different ways through a decoder."""

import numpy as np
from PIL import Image

from tests.helpers.pictures import encode, exif


def make_samples() -> dict[str, bytes]:
    """Return the files by a name that begins with the format."""
    ramp = Image.linear_gradient("L")
    bands = (ramp.rotate(90), ramp, Image.new("L", ramp.size, 40))
    picture = Image.merge("RGB", bands).resize((19, 13))
    grey = picture.convert("L")
    alpha = picture.convert("RGBA")
    alpha.putalpha(grey)
    grey16 = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    palette = picture.quantize(16)
    frames = [picture.rotate(90 * turn) for turn in range(3)]
    animation: dict[str, object] = {"save_all": True, "append_images": frames[1:]}
    turned = exif(6)
    images: dict[str, tuple[Image.Image, dict[str, object]]] = {
        "AVIF": (picture, {"quality": 40}),
        "AVIF alpha": (alpha, {"quality": 40}),
        "AVIF animated": (picture, {"quality": 40, **animation}),
        "BMP": (picture, {}),
        "BMP palette": (palette, {}),
        "BMP bits": (picture.convert("1"), {}),
        "GIF": (palette, {"comment": b"a comment"}),
        "GIF animated": (picture, animation),
        "GIF transparent": (palette, {"transparency": 3, "interlace": 1}),
        "HEIF": (picture, {}),
        "HEIF alpha": (alpha, {}),
        "JPEG": (picture, {"exif": turned}),
        "JPEG progressive": (picture, {"progressive": True, "subsampling": 2}),
        "JPEG grey": (grey, {"restart_marker_rows": 1}),
        "JPEG CMYK": (picture.convert("CMYK"), {}),
        "PNG": (picture, {"exif": turned}),
        "PNG animated": (picture, animation),
        "PNG palette": (palette, {"transparency": b"\0\x80\xff"}),
        "PNG grey alpha": (alpha.convert("LA"), {}),
        "PNG 16 bits": (grey16, {"transparency": 1000}),
        "PNG bits": (picture.convert("1"), {}),
        "PPM": (picture, {}),
        "PPM grey": (grey, {}),
        "PPM bits": (picture.convert("1"), {}),
        "TIFF": (picture, {"exif": turned}),
        "TIFF float": (Image.fromarray(np.asarray(grey).astype(np.float32)), {}),
        "TIFF 16 bits": (grey16, {"compression": "tiff_adobe_deflate"}),
        "TIFF LZW": (alpha, {"compression": "tiff_lzw"}),
        "TIFF JPEG": (picture, {"compression": "jpeg"}),
        "TIFF fax": (picture.convert("1"), {"compression": "group4"}),
        "TIFF LAB": (Image.merge("LAB", picture.split()), {}),
        "TIFF CMYK": (picture.convert("CMYK"), {"compression": "packbits"}),
        "WEBP": (picture, {"exif": turned}),
        "WEBP lossless": (alpha, {"lossless": True}),
        "WEBP animated": (picture, animation),
    }
    samples = {
        name: encode(image, name.split()[0], **options) for name, (image, options) in images.items()
    }
    samples["BMP run lengths"] = _run_length_bmp()
    return samples


def _run_length_bmp() -> bytes:
    """Return a BMP in which every row is one run, which Pillow reads but does not write."""
    plain = bytearray(encode(Image.new("P", (16, 4)), "BMP"))
    start = int.from_bytes(plain[10:14], "little")
    rows = b"".join(bytes((16, row, 0, 0)) for row in range(4)) + b"\0\1"
    plain[30:34] = (1).to_bytes(4, "little")
    plain[34:38] = len(rows).to_bytes(4, "little")
    return bytes(plain[:start]) + rows
