"""The servers that are compared: how each is started, and how a picture is sent to it."""

import base64
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import urllib3
from PIL import Image

from benchmarks.common.peer_environment import prepare
from benchmarks.common.programs import running
from benchmarks.common.server import BYTES, Request, Server, free_ports, our_server
from model.inference import GRAPH_FILE_NAME, QUANTISED_FILE_NAME, WEIGHTS_FILE_NAME
from model.inference.card import ModelCard
from model.inference.classifier import Classifier

OURS = "ours"
GROUP = "serving-benchmark"
PROGRAMS = "benchmarks.serving.peers"
# BentoML sends no telemetry; and the peers get no GPU, as ours has none.
PEER_ENVIRONMENT = {"BENTOML_DO_NOT_TRACK": "True", "CUDA_VISIBLE_DEVICES": ""}


class Peer(NamedTuple):
    """A server that others would write: its command before the port, and how it takes a file."""

    label: str
    arguments: str
    encode: Callable[[bytes], tuple[bytes, dict[str, str]]]
    graph: str = GRAPH_FILE_NAME


def base64_json(picture: bytes) -> tuple[bytes, dict[str, str]]:
    """Send a file in a JSON document."""
    body = json.dumps({"image": base64.b64encode(picture).decode()}).encode()
    return body, {"Content-Type": "application/json"}


def multipart(picture: bytes) -> tuple[bytes, dict[str, str]]:
    """Send a file as a form does."""
    with Image.open(BytesIO(picture)) as image:
        # BentoML goes by it.
        kind = image.get_format_mimetype() or ""
    fields = {"image": ("picture", picture, kind)}
    body, content_type = urllib3.encode_multipart_formdata(fields, boundary="picture-boundary")
    return body, {"Content-Type": content_type}


FASTAPI = Peer(
    "FastAPI and ONNX Runtime, 2 processes",
    f"uvicorn {PROGRAMS}.fastapi_serving:app --workers 2 --no-access-log --port",
    lambda picture: (picture, BYTES),
)
PEERS = {
    "fastapi": FASTAPI,
    "fastapi-int8": FASTAPI._replace(
        label=f"{FASTAPI.label}, on our quantised graph", graph=QUANTISED_FILE_NAME
    ),
    "litserve": Peer("LitServe and ONNX Runtime", f"{PROGRAMS}.litserve_serving", base64_json),
    "bentoml": Peer(
        "BentoML and ONNX Runtime, 2 workers",
        f"bentoml serve {PROGRAMS}.bentoml_serving:Pictures --host 127.0.0.1 --port",
        multipart,
    ),
    "flask": Peer("the original's way, Flask and Keras", f"{PROGRAMS}.flask_serving", multipart),
}
# Peers that can serve one of the shipped versions only.
ONLY_VERSION = {"fastapi-int8": "2.0", "flask": "1.0"}
LABELS = {OURS: "ours, TorchServe", **{name: peer.label for name, peer in PEERS.items()}}


@contextmanager
def start(name: str, version: str, network: Path) -> Iterator[Server]:
    """Run ours or a peer; the peers read what :func:`write_network` wrote into ``network``."""
    if name == OURS:
        with our_server(version) as ours:
            yield ours
        return
    peer = PEERS[name]
    (port,) = free_ports(1)
    command = [str(prepare(GROUP)), "-m", *peer.arguments.split(), str(port)]
    url = f"http://127.0.0.1:{port}/predict"
    environment = {"NETWORK": str(network), "GRAPH": peer.graph, **PEER_ENVIRONMENT}
    with running(command, environment) as process:
        yield Server(process.pid, lambda picture: Request(url, *peer.encode(picture)))


def write_network(archive: Path, directory: Path) -> None:
    """Write a shipped network for the peers: its graphs, ``weights.npz`` and ``classes.json``."""
    with zipfile.ZipFile(archive) as files:
        for name in {GRAPH_FILE_NAME, QUANTISED_FILE_NAME} & set(files.namelist()):
            files.extract(name, directory)
        weights = torch.load(BytesIO(files.read(WEIGHTS_FILE_NAME)), weights_only=True)
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    # allow_pickle is spelt out for the type checker, which takes an array for it otherwise.
    np.savez(directory / "weights.npz", allow_pickle=False, **arrays)
    class_names = ModelCard.load(zipfile.Path(archive)).class_names
    (directory / "classes.json").write_text(json.dumps(list(class_names)))


def load_expected(name: str, archive: Path) -> Classifier:
    """Load the classifier that a server must agree with: the same graph of the archive."""
    ours = Classifier.load(archive)
    if name == OURS or PEERS[name].graph == QUANTISED_FILE_NAME:
        return ours
    return Classifier(zipfile.Path(archive, GRAPH_FILE_NAME).read_bytes(), ours.card)
