"""Requests of every kind that a client may send, good and bad; each follows from its number."""

import base64
import json
from random import Random
from typing import NamedTuple

import urllib3
from PIL import Image

from benchmarks.common.pictures import encode
from benchmarks.common.server import BYTES
from benchmarks.under_fire.samples import make_samples

LARGE_NOISE_BYTES = 10_000_000
TOP_KS = ("3", "1", "0", "-1", "1.5", "abc", "9" * 400)
RUBBISH = (b'{"instances": ', b"[" * 5000, b'{"instances": {"b64": 1e999}}', b"{}")


class Shot(NamedTuple):
    """One request: its kind, as it is counted, and what is sent."""

    kind: str
    body: bytes
    headers: dict[str, str]


class Magazine:
    """Makes requests; the same number and seed make the same request."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        photo = Image.radial_gradient("L").resize((3000, 2000)).convert("RGB")
        self._samples = {**make_samples(), "photo": encode(photo, "JPEG")}
        # How often each kind is chosen, in percent.
        self._kinds = {
            self._whole: 30,
            self._truncated: 15,
            self._changed: 25,
            self._noise: 8,
            self._json: 10,
            self._form: 6,
            self._odd_headers: 6,
        }

    def shot(self, number: int) -> Shot:
        """Return the request of this number."""
        chance = Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        (make,) = chance.choices(list(self._kinds), list(self._kinds.values()))
        return make(chance)

    def _sample(self, chance: Random) -> bytes:
        return chance.choice(list(self._samples.values()))

    def _whole(self, chance: Random) -> Shot:
        name = chance.choice(list(self._samples))
        return Shot(f"whole {name.split()[0]}", self._samples[name], BYTES)

    def _truncated(self, chance: Random) -> Shot:
        sample = self._sample(chance)
        return Shot("truncated", sample[: chance.randrange(len(sample))], BYTES)

    def _changed(self, chance: Random) -> Shot:
        changed = bytearray(self._sample(chance))
        for _ in range(chance.randint(1, 5)):
            # The sizes are in the headers, which are at the beginning.
            end = min(chance.choice((64, len(changed))), len(changed))
            position = chance.randrange(end or 1)
            length = chance.choice((0, 1, 2, 4, 40))
            replaced = chance.choice((length, length, 0))
            new = chance.choice((chance.randbytes(length), b"", self._sample(chance)[: 5 * length]))
            changed[position : position + replaced] = new
        return Shot("changed", bytes(changed), BYTES)

    def _noise(self, chance: Random) -> Shot:
        if chance.random() < 1 / 200:
            beginning = chance.choice((b"", self._sample(chance)[:64]))
            return Shot("10 MB of noise", beginning + chance.randbytes(LARGE_NOISE_BYTES), BYTES)
        return Shot("noise", chance.randbytes(chance.choice((0, 1, 2, 100, 5000))), BYTES)

    def _json(self, chance: Random) -> Shot:
        def instance() -> object:
            data = self._sample(chance)[: chance.choice((10_000, 50))]
            text = base64.b64encode(data).decode()
            return chance.choice(({"b64": text}, {"b64": text}, {"b64": text[1:]}, text, None, {}))

        instances = [instance() for _ in range(chance.choice((1, 2, 9, 65)))]
        text = json.dumps({"instances": instances}).encode()
        if chance.random() < 1 / 4:
            text = chance.choice((*RUBBISH, text[1:]))
        return Shot("JSON", text, {"Content-Type": "application/json"})

    def _form(self, chance: Random) -> Shot:
        fields: dict[str, str | tuple[str, bytes]] = {
            chance.choice(("data", "data", "data", "image", "body")): (
                "file",
                self._sample(chance),
            ),
            "top_k": chance.choice(TOP_KS),
        }
        body, content_type = urllib3.encode_multipart_formdata(fields, boundary="under-fire")
        return Shot("form", body, {"Content-Type": content_type})

    def _odd_headers(self, chance: Random) -> Shot:
        headers = {
            "Content-Type": chance.choice(("text/plain", "application/json", "image/png", "x", "")),
            chance.choice(("top_k", "Top-K")): chance.choice(TOP_KS),
            chance.choice(("describe", "explain", "X-Odd")): "True",
        }
        return Shot("headers", self._sample(chance), headers)
