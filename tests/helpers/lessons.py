"""The folder of the page that teaches, as it is after a training, and pictures of classes."""

import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.pictures import SHIPPED_ARCHIVE, encode

CLASSES = ("diagonal", "horizontal", "vertical")


def draw(name: str, seed: int) -> bytes:
    """Return a picture of stripes in one of the directions that `CLASSES` names, in any colour."""
    generator = np.random.default_rng([CLASSES.index(name), seed])
    y, x = np.mgrid[:48, :48]
    along = {"diagonal": x + y, "horizontal": y, "vertical": x}[name]
    wave = np.sin(along / generator.uniform(2, 3) + generator.uniform(0, 6))[..., None]
    noise = generator.normal(0, 10, (48, 48, 3))
    pixels = 128 + wave * generator.uniform(40, 90, 3) + noise
    return encode(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))


def write_lessons(directory: Path, pictures: int = 6) -> Path:
    """Write classes with so many pictures each, and a run that holds the shipped model."""
    for name in CLASSES:
        folder = directory / "pictures" / "train" / name
        folder.mkdir(parents=True)
        for seed in range(pictures):
            (folder / f"{seed}.png").write_bytes(draw(name, seed))
    run = directory / "runs" / "one"
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as archive:
        for file in ("model.onnx", "model_card.json"):
            archive.extract(file, run)
    (directory / "train.log").touch()
    (directory / "job.json").write_text(json.dumps({"run": run.name, "pid": 0, "started": 0}))
    return directory
