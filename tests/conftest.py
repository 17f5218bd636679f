"""What all tests share: pictures made on the spot, and the real data where it is at hand."""

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import urllib3
from PIL import Image

from model.cpu import tune_cpu
from tests.serving import PROJECT, Server, running_server

# As train.py does, before there are threads: so a training here and one of its own agree.
tune_cpu()

# So that pictures can be written as HEIF.
pillow_heif.register_heif_opener()

SHARED = PROJECT.parent / "shared"
SHIPPED_ARCHIVE = PROJECT / "model_store" / "cifar10.mar"


def encode(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def make_gradient() -> Image.Image:
    """A 48×32 picture in which every quarter looks different, so that a turn shows."""
    horizontal = np.linspace(0, 255, 48)[None, :].repeat(32, axis=0)
    vertical = np.linspace(0, 255, 32)[:, None].repeat(48, axis=1)
    blue = np.full_like(horizontal, 40)
    return Image.fromarray(np.stack([horizontal, vertical, blue], axis=-1).astype(np.uint8))


@pytest.fixture
def gradient() -> Image.Image:
    return make_gradient()


@pytest.fixture
def png(gradient: Image.Image) -> bytes:
    return encode(gradient)


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


@pytest.fixture
def make_image_folder(tmp_path: Path) -> Callable[..., Path]:
    return lambda images_per_class=12: write_image_folder(tmp_path / "pictures", images_per_class)


@pytest.fixture
def shared_images() -> Path:
    folder = SHARED / "images"
    if not folder.is_dir():
        pytest.skip(f"the public test images are not at {folder.parent.name}/{folder.name}")
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One real server, TorchServe and web UI, for all tests that only ask it."""
    # Sockets lie in there, whose paths must be short; pytest's own folders are too deep on macOS.
    with tempfile.TemporaryDirectory() as directory, running_server(Path(directory)) as running:
        yield running


@pytest.fixture(scope="session")
def http() -> Iterator[urllib3.PoolManager]:
    # TorchServe closes the connection after an error, so a kept one may be gone.
    manager = urllib3.PoolManager(
        maxsize=16, retries=urllib3.Retry(2, allowed_methods=None), timeout=60
    )
    yield manager
    manager.clear()
