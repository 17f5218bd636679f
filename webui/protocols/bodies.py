"""The pictures in the body of a request in either protocol."""

from base64 import b64decode
from itertools import chain
from math import prod
from operator import index
from typing import Any

from flask import current_app

from webui.errors import TooManyPicturesError
from webui.pictures.uploads import Upload

OUTPUTS = {"probabilities", "label"}
MAX_DIMENSIONS = 4


def read_instances(body: Any) -> list[Upload]:  # noqa: ANN401
    """Return the pictures of ``{"instances": [{"b64": …}]}``.

    Raises:
        KeyError, TypeError, ValueError: The body has another shape, or no picture.
        TooManyPicturesError: It has too many.
    """
    return _decode([instance["b64"] for instance in body["instances"]])


def read_inputs(body: Any) -> list[Upload]:  # noqa: ANN401
    """Return the pictures of ``{"inputs": [tensor]}``, whose elements are files or pixels.

    Raises:
        KeyError, TypeError, ValueError: The body has another shape, or no picture.
        TooManyPicturesError: It has too many.
    """
    (tensor,) = body["inputs"]
    shape, data = [index(size) for size in tensor["shape"]], tensor["data"]
    while data and isinstance(data[0], list):
        data = list(chain.from_iterable(data))
    if len(shape) > MAX_DIMENSIONS or min(shape) < 0 or prod(shape) != len(data):
        raise ValueError("no tensor")
    outputs, identifier = body.get("outputs"), body.get("id")
    if not isinstance(outputs, list | None) or not isinstance(identifier, str | None):
        raise TypeError("no list or no text")
    if {output["name"] for output in outputs or []} - OUTPUTS:
        raise ValueError("no such output")
    is_pixels = {"BYTES": False, "UINT8": True}[tensor["datatype"]]
    return _encode(data, shape) if is_pixels else _decode(data)


def _decode(texts: list[Any]) -> list[Upload]:
    _require_count(len(texts))
    return [Upload("", b64decode(text, validate=True)) for text in texts]


def _encode(values: list[Any], shape: list[int]) -> list[Upload]:
    """Make a file of each picture (H, W, 3), so that pixels are prepared as files are."""
    height, width, channels = shape[-3:]
    if channels != len("RGB"):
        raise ValueError("no colours")
    pixels, header = bytes(values), f"P6 {width} {height} 255\n".encode()
    starts = range(0, len(pixels), height * width * channels)
    _require_count(len(starts))
    return [Upload("", header + pixels[start : start + starts.step]) for start in starts]


def _require_count(pictures: int) -> None:
    if not pictures:
        raise ValueError("no picture")
    if pictures > current_app.config["MAX_PICTURES"]:
        raise TooManyPicturesError(max_pictures=current_app.config["MAX_PICTURES"])
