"""Requests of every kind that a client may send, good and bad; each follows from its number."""

import base64
import json
from random import Random
from typing import NamedTuple

import pillow_heif
import urllib3
from PIL import Image

from benchmarks.common.pictures import encode, ship
from benchmarks.common.server import BYTES
from model import BEST_ARCHIVE
from model.inference.classifier import Classifier

# So that Pillow writes HEIF.
pillow_heif.register_heif_opener()

FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
TOP_KS = ("3", "1", "0", "-1", "1.5", "abc", "9" * 400)
RUBBISH = (b'{"instances": ', b"[" * 5000, b'{"instances": {"b64": 1e999}}', b"{}")
# How often each kind is chosen, in percent.
KINDS = {"whole": 30, "truncated": 15, "changed": 25, "noise": 8, "JSON": 10, "form": 6, "odd": 6}


class Shot(NamedTuple):
    """One request: its kind, what is sent, and the label of the picture that it was made of."""

    kind: str
    body: bytes
    headers: dict[str, str]
    label: str


def make_files() -> list[bytes]:
    """Return a small file of every format, and a photograph."""
    photo = Image.radial_gradient("L").resize((3000, 2000)).convert("RGB")
    small = ship().resize((19, 13))
    return [*(encode(small, name) for name in FORMATS), encode(photo, "JPEG")]


def make_samples() -> list[tuple[bytes, str]]:
    """Return the files, each with its right label."""
    classifier = Classifier.load(BEST_ARCHIVE)
    return [(file, classifier.classify(file)["label"]) for file in make_files()]


def make_shot(number: int, seed: int, samples: list[tuple[bytes, str]]) -> Shot:
    """Return the request of a number, made of ``samples``; the same seed makes the same."""
    chance = Random(f"{seed} {number}")  # noqa: S311 - no secret
    (kind,) = chance.choices(list(KINDS), list(KINDS.values()))
    body, label = chance.choice(samples)
    headers = BYTES
    match kind:
        case "truncated":
            body = body[: chance.randrange(len(body))]
        case "changed":
            # The sizes are in the headers, which are at the beginning.
            start = chance.randrange(min(chance.choice((64, len(body))), len(body)))
            length = chance.choice((0, 1, 2, 4, 40))
            new = chance.choice((chance.randbytes(length), b"", body[: 5 * length]))
            body = body[:start] + new + body[start + chance.choice((length, length, 0)) :]
        case "noise":
            sizes = (0, 1, 2, 100, 5000, 10_000_000)
            body = chance.randbytes(chance.choices(sizes, (40, 40, 40, 40, 40, 1))[0])
        case "JSON":
            body, headers = _json(body, chance), {"Content-Type": "application/json"}
        case "form":
            field = chance.choice(("data", "data", "data", "image", "body"))
            body, content_type = urllib3.encode_multipart_formdata(
                [(field, ("file", body)), ("top_k", chance.choice(TOP_KS))], boundary="under-fire"
            )
            headers = {"Content-Type": content_type}
        case "odd":
            types = ("text/plain", "application/json", "image/png", "x", "")
            headers = {
                "Content-Type": chance.choice(types),
                chance.choice(("top_k", "Top-K")): chance.choice(TOP_KS),
                chance.choice(("describe", "explain", "X-Odd")): "True",
            }
    return Shot(kind, body, headers, label)


def _json(sample: bytes, chance: Random) -> bytes:
    instances: list[object] = []
    for _ in range(chance.choice((1, 2, 9, 65))):
        text = base64.b64encode(sample[: chance.choice((10_000, 50))]).decode()
        instances.append(chance.choice(({"b64": text}, {"b64": text[1:]}, text, None, {})))
    document = json.dumps({"instances": instances}).encode()
    return chance.choice((*RUBBISH, document[1:])) if chance.random() < 1 / 4 else document
