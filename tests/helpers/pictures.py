"""Pictures made on the spot, and where the shipped archive and the real data lie."""

import base64
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import ExifTags, Image

from benchmarks.common.pictures import encode as encode  # noqa: PLC0414 - for all tests
from model import PROJECT

SHARED = PROJECT.parent / "shared"
SHIPPED_ARCHIVE = PROJECT / "model_store" / "cifar10.mar"
SHIPPED_ARCHIVES = [SHIPPED_ARCHIVE, SHIPPED_ARCHIVE.with_name("cifar10-2.0.mar")]

# So that pictures can be written as HEIF.
pillow_heif.register_heif_opener()


RED = encode(Image.new("RGB", (32, 32), "red"))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def as_instances(*images: object) -> bytes:
    """Return a KServe v1 document; what is not bytes stands in it for an instance as it is."""
    instances = [
        {"b64": base64.b64encode(image).decode()} if isinstance(image, bytes) else image
        for image in images
    ]
    return json.dumps({"instances": instances}).encode()


def exif(orientation: int) -> Image.Exif:
    """Return the metadata of a picture that is to be turned, by EXIF's number of the turn."""
    metadata = Image.Exif()
    metadata[ExifTags.Base.Orientation] = orientation
    return metadata


def make_gradient() -> Image.Image:
    """A 48×32 picture in which every quarter looks different, so that a turn shows."""
    horizontal = np.linspace(0, 255, 48)[None, :].repeat(32, axis=0)
    vertical = np.linspace(0, 255, 32)[:, None].repeat(48, axis=1)
    blue = np.full_like(horizontal, 40)
    return Image.fromarray(np.stack([horizontal, vertical, blue], axis=-1).astype(np.uint8))


def write_image_folder(folder: Path, images_per_class: int = 12) -> Path:
    """Write a folder-per-class tree of two classes that even a tiny training tells apart."""
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for name, colour in (("night", 30), ("snow", 225)):
            (folder / split / name).mkdir(parents=True)
            for index in range(images_per_class):
                noise = generator.integers(-25, 26, (32, 32, 3))
                pixels = (colour + noise).clip(0, 255).astype(np.uint8)
                file = folder / split / name / f"{index:03}.png"
                file.write_bytes(encode(Image.fromarray(pixels)))
    return folder
