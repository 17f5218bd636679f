"""Common corruptions of pictures, at five severities.

After "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (Hendrycks
and Dietterich 2019, arXiv:1903.12261), with the severities of its CIFAR-10-C. Each function takes
and returns float32 ``(N, H, W, 3)``, RGB in [0, 1]; what it returns may lie outside.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.colors import hsv_to_rgb, rgb_to_hsv
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import affine

from benchmarks.common.pictures import encode

Values = NDArray[np.float32]
SEED = 0


def gaussian_noise(values: Values, deviation: float, generator: np.random.Generator) -> Values:
    """Add the noise of a sensor in low light."""
    return values + deviation * generator.standard_normal(values.shape, np.float32)


def shot_noise(values: Values, photons: float, generator: np.random.Generator) -> Values:
    """Count photons, of which full brightness has this number."""
    return (generator.poisson(values * photons) / photons).astype(np.float32)


def impulse_noise(values: Values, share: float, generator: np.random.Generator) -> Values:
    """Replace this share of the values by the smallest or the largest one."""
    replaced = generator.random(values.shape) < share
    return np.where(replaced, generator.integers(2, size=values.shape), values)


def gaussian_blur(values: Values, deviation: float, _: np.random.Generator) -> Values:
    """Blur with a Gaussian of this deviation in pixels."""
    return np.asarray(gaussian_filter(values, deviation, axes=(1, 2), mode="nearest"))


def defocus_blur(values: Values, disk: tuple[float, float], _: np.random.Generator) -> Values:
    """Blur with a disk of a radius in pixels, whose edge is blurred by a deviation."""
    radius, deviation = disk
    squares = np.arange(-3, 4) ** 2
    kernel = (squares[:, None] + squares <= radius**2).astype(np.float32)
    kernel = gaussian_filter(kernel / kernel.sum(), deviation, radius=1)
    return np.asarray(convolve(values, kernel[None, :, :, None], mode="mirror"))


def motion_blur(values: Values, path: tuple[int, float], generator: np.random.Generator) -> Values:
    """Shift each picture up to twice the ``path``'s length, at 45° at most, ever more faintly."""
    length, deviation = path
    steps = np.arange(2 * length + 1)
    weights = np.exp(-((steps / deviation) ** 2) / 2).astype(np.float32)
    angles = generator.uniform(-np.pi / 4, np.pi / 4, len(values))
    count, height, width, _ = values.shape
    blurred = np.zeros_like(values)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        down, right = (np.rint(step * f(angles)).astype(int)[:, None] for f in (np.sin, np.cos))
        rows = (np.arange(height) + down).clip(0, height - 1)
        columns = (np.arange(width) + right).clip(0, width - 1)
        blurred += (
            weight * values[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None]]
        )
    return blurred


def zoom_blur(values: Values, largest: float, _: np.random.Generator) -> Values:
    """Average the pictures and their magnifications in steps of 1 % up to the ``largest``."""
    images = torch.from_numpy(values).permute(0, 3, 1, 2)
    total, scales = images, np.arange(1, largest, 0.01).tolist()
    for scale in scales:
        total = total + affine(
            images, 0, [0, 0], scale, [0, 0], interpolation=InterpolationMode.BILINEAR
        )
    return (total / (len(scales) + 1)).permute(0, 2, 3, 1).numpy()


def brightness(values: Values, added: float, _: np.random.Generator) -> Values:
    """Add to the value of HSV."""
    return _change_hsv(values, 2, 1, added)


def saturate(values: Values, change: tuple[float, float], _: np.random.Generator) -> Values:
    """Multiply the saturation of HSV and add to it."""
    return _change_hsv(values, 1, *change)


def _change_hsv(values: Values, channel: int, factor: float, added: float) -> Values:
    hsv = rgb_to_hsv(values)
    hsv[..., channel] = (hsv[..., channel] * factor + added).clip(0, 1)
    return np.asarray(hsv_to_rgb(hsv), np.float32)


def contrast(values: Values, factor: float, _: np.random.Generator) -> Values:
    """Move the values nearer to the mean of their picture's channel."""
    means: Values = values.mean(axis=(1, 2), keepdims=True)
    return (values - means) * factor + means


def pixelate(values: Values, scale: float, _: np.random.Generator) -> Values:
    """Make pictures smaller and as large as before again, by averaging pixels."""

    def shrink_and_enlarge(image: Image.Image) -> Image.Image:
        small = image.resize([int(side * scale) for side in image.size], Image.Resampling.BOX)
        return small.resize(image.size, Image.Resampling.BOX)

    return _change_images(values, shrink_and_enlarge)


def jpeg_compression(values: Values, quality: int, _: np.random.Generator) -> Values:
    """Compress pictures as JPEG files of this quality."""
    return _change_images(
        values, lambda image: Image.open(io.BytesIO(encode(image, "JPEG", quality=quality)))
    )


def _change_images(values: Values, change: Callable[[Image.Image], Image.Image]) -> Values:
    images = map(Image.fromarray, _to_pixels(values))
    return np.stack([np.asarray(change(image), np.float32) / 255 for image in images])


def _to_pixels(values: Values) -> NDArray[np.uint8]:
    return (255 * values).round().clip(0, 255).astype(np.uint8)


SEVERITIES = range(1, 6)
# Each corruption with its strength at the severities.
CORRUPTIONS: dict[Callable[[Values, Any, np.random.Generator], Values], Sequence[Any]] = {
    gaussian_noise: (0.04, 0.06, 0.08, 0.09, 0.10),
    shot_noise: (500, 250, 100, 75, 50),
    impulse_noise: (0.01, 0.02, 0.03, 0.05, 0.07),
    gaussian_blur: (0.4, 0.6, 0.7, 0.8, 1),
    defocus_blur: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    motion_blur: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    zoom_blur: (1.06, 1.11, 1.16, 1.21, 1.26),
    brightness: (0.05, 0.1, 0.15, 0.2, 0.3),
    saturate: ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    contrast: (0.75, 0.5, 0.4, 0.3, 0.15),
    pixelate: (0.95, 0.9, 0.85, 0.75, 0.65),
    jpeg_compression: (80, 65, 58, 50, 40),
}
# The corruptions by their names.
NAMES = {function.__name__.replace("_", " "): function for function in CORRUPTIONS}


def corrupt(pixels: NDArray[np.uint8], name: str, severity: int) -> NDArray[np.uint8]:
    """Corrupt pictures, uint8 ``(N, H, W, 3)``, by one of ``NAMES`` at a severity from 1 to 5.

    The same ones always become the same.

    Raises:
        KeyError: There is no such corruption or severity.
    """
    function = NAMES[name]
    strength = dict(zip(SEVERITIES, CORRUPTIONS[function], strict=True))[severity]
    values = (pixels / 255).astype(np.float32)
    return _to_pixels(function(values, strength, np.random.default_rng(SEED)))
