"""Pictures, good and bad, by every door and at a steady rate, and what came back."""

import base64
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import NamedTuple, Self

import urllib3

from benchmarks.common.server import ARCHIVES, BYTES, OK, Server
from benchmarks.under_fire.shots import make_files
from model.inference.classifier import Classifier
from serving.trial import read_examples
from webui.settings import Settings
from webui.torchserve.client import KEY_REFUSED
from webui.torchserve.keys import Keys

CLIENTS, ANSWER_SECONDS = 16, 60
# How often a picture is a bad one, in percent, and what is then right.
BAD, REFUSED = 20, "refused"
FORM_TYPE = {"Content-Type": "multipart/form-data; boundary=soak"}
JSON = {"Accept": "application/json"}
# Where a page has the answer, and where JSON or a page has the type of an error.
IN_PAGE = re.compile(rb"data-answer='(.*?)'", re.DOTALL)
ERROR_TYPE = re.compile(rb'(?:"type": ?"|<code>)(\w+)')


class Picture(NamedTuple):
    """A picture's file, and the label that each version gives it; none gives a bad one any."""

    content: bytes
    labels: dict[str, str]


class Door(NamedTuple):
    """An address, the headers that it wants, and what makes the body of a picture's file."""

    url: str
    headers: dict[str, str]
    wrap: Callable[[bytes], bytes]


class Answer(NamedTuple):
    """What a request got.

    Attributes:
        due, sent, ended: Seconds of the clock ``monotonic``: when it should have been sent, when it
            was sent, and when it was answered.
        kind: Its door, and whether the picture was good or bad.
        outcome: The version that answered rightly; :data:`REFUSED`, for a bad picture; or what was
            wrong, which begins with ``wrong`` or ``none``.
    """

    due: float
    sent: float
    ended: float
    kind: str
    outcome: str


def make_pictures() -> tuple[list[Picture], list[Picture]]:
    """Return the good pictures and the bad ones."""
    classifiers = {version: Classifier.load(archive) for version, archive in ARCHIVES.items()}
    # The version that is deployed is the first one under another name.
    classifiers["3.0"] = classifiers["1.0"]
    files = make_files()
    examples = [known.read() for known in read_examples(ARCHIVES["2.0"], ())]
    good = [
        Picture(file, {name: one.classify(file)["label"] for name, one in classifiers.items()})
        for file in (*files, *examples)
    ]
    bad = (b"", b"no picture", *(file[: len(file) // 2] for file in files))
    return good, [Picture(file, {}) for file in bad]


def make_doors(server: Server) -> dict[str, Door]:
    """Return TorchServe's door and those of the page; the first one also wants a key."""
    page = server.web_ui
    return {
        "REST": Door(server.url, BYTES, bytes),
        "page, JSON": Door(f"{page}predict", BYTES | JSON, bytes),
        "page, HTML": Door(f"{page}predict", FORM_TYPE, _to_form),
        "page, KServe 1": Door(f"{page}v1/models/cifar10:predict", JSON, _to_instances),
        "page, KServe 2": Door(f"{page}v2/models/cifar10/infer", JSON, _to_tensor),
    }


def _to_form(file: bytes) -> bytes:
    return urllib3.encode_multipart_formdata([("image", ("file", file))], boundary="soak")[0]


def _to_instances(file: bytes) -> bytes:
    return json.dumps({"instances": [{"b64": base64.b64encode(file).decode()}]}).encode()


def _to_tensor(file: bytes) -> bytes:
    data = [base64.b64encode(file).decode()]
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def read_answer(body: bytes) -> tuple[str, str]:
    """Return the label and the version in the answer of any door.

    Raises:
        KeyError, TypeError, ValueError: It has another shape.
    """
    page = IN_PAGE.search(body)
    match json.loads(page[1] if page else body):
        case {"outputs": [_, {"data": [label]}], "model_version": version}:
            return label, version
        case {"predictions": [prediction]} | [prediction] | prediction:
            return prediction["label"], prediction["model"]["version"]


class Load:
    """Clients that send ``rate`` requests a second while the context is entered, always the same.

    Attributes:
        answers: What they got.
    """

    def __init__(self, server: Server, rate: int) -> None:
        self.answers: list[Answer] = []
        self._doors, self._pictures = make_doors(server), make_pictures()
        self._keys = Keys(Settings.from_environment(server.environment).key_file)
        self._rate, self._numbers, self._done = rate, itertools.count(), threading.Event()
        # Each request has a connection of its own: that a kept one ends is no server's fault.
        self._threads = ThreadPoolExecutor(CLIENTS)
        self._pool = urllib3.PoolManager(maxsize=CLIENTS, retries=False, timeout=ANSWER_SECONDS)

    def __enter__(self) -> Self:
        begun = time.monotonic()
        self._clients = [self._threads.submit(self._send_all, begun) for _ in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for client in self._clients:
            client.result()

    def _send_all(self, begun: float) -> None:
        doors = list(self._doors)
        while True:
            number = next(self._numbers)
            due = begun + number / self._rate
            if self._done.wait(max(0, due - time.monotonic())):
                return
            chance = Random(number)  # noqa: S311 - no secret
            # TorchServe's own door is chosen as often as two of the page's.
            door = chance.choice([doors[0], *doors])
            is_bad = chance.randrange(100) < BAD
            picture = chance.choice(self._pictures[is_bad])
            sent = time.monotonic()
            outcome = self._ask(self._doors[door], picture)
            kind = f"{door}, {'bad' if is_bad else 'good'}"
            self.answers.append(Answer(due, sent, time.monotonic(), kind, outcome))

    def _ask(self, door: Door, picture: Picture) -> str:
        body = door.wrap(picture.content)
        try:
            response, cause = self._send(door, body, self._keys.get("inference"))
            if cause == KEY_REFUSED:
                response, cause = self._send(door, body, self._keys.read("inference"))
        except urllib3.exceptions.HTTPError as error:
            return f"none: {type(error).__name__}"
        status, error_type = cause
        # TorchServe's own errors, such as for a missing model, say nothing about the picture.
        is_refusal = 400 <= status < 500 and not error_type.endswith("Exception")  # noqa: PLR2004
        if is_refusal and not picture.labels:
            return REFUSED
        if status != OK:
            return f"none: {status} {error_type}".strip()
        try:
            label, version = read_answer(response.data)
        except (KeyError, TypeError, ValueError):
            return "wrong: in no known shape"
        right = picture.labels.get(version)
        return version if label == right else f"wrong: {label} by {version} instead of {right}"

    def _send(
        self, door: Door, body: bytes, key: str
    ) -> tuple[urllib3.BaseHTTPResponse, tuple[int, str]]:
        headers = {**door.headers, "Authorization": f"Bearer {key}", "Connection": "close"}
        response = self._pool.request("POST", door.url, body=body, headers=headers)
        found = ERROR_TYPE.search(response.data) if response.status != OK else None
        return response, (response.status, found[1].decode() if found else "")
