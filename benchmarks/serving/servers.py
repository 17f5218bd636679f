"""The servers that are compared: how each is started, and how a picture is sent to it."""

import base64
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import urllib3
from PIL import Image
from torch import nn

from benchmarks.common.peer_environment import prepare
from benchmarks.common.programs import running
from benchmarks.common.server import ARCHIVE, BYTES, Request, Server, free_ports, our_server
from model.inference import WEIGHTS_FILE_NAME
from model.networks.reference_cnn import ReferenceCNN

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


PEERS = {
    "fastapi": Peer(
        "FastAPI and ONNX Runtime, 2 processes",
        f"uvicorn {PROGRAMS}.fastapi_serving:app --workers 2 --no-access-log --port",
        lambda picture: (picture, BYTES),
    ),
    "litserve": Peer("LitServe and ONNX Runtime", f"{PROGRAMS}.litserve_serving", base64_json),
    "bentoml": Peer(
        "BentoML and ONNX Runtime, 2 workers",
        f"bentoml serve {PROGRAMS}.bentoml_serving:Pictures --host 127.0.0.1 --port",
        multipart,
    ),
    "flask": Peer("the original's way, Flask and Keras", f"{PROGRAMS}.flask_serving", multipart),
}
LABELS = {OURS: "ours, TorchServe", **{name: peer.label for name, peer in PEERS.items()}}


@contextmanager
def start(name: str, network: Path) -> Iterator[Server]:
    """Run ours or a peer; the peers read what :func:`write_network` wrote into ``network``."""
    if name == OURS:
        with our_server() as ours:
            yield ours
        return
    peer = PEERS[name]
    (port,) = free_ports(1)
    command = [str(prepare(GROUP)), "-m", *peer.arguments.split(), str(port)]
    url = f"http://127.0.0.1:{port}/predict"
    with running(command, {"NETWORK": str(network), **PEER_ENVIRONMENT}) as process:
        yield Server(process.pid, lambda picture: Request(url, *peer.encode(picture)))


def write_network(directory: Path, class_names: Sequence[str]) -> None:
    """Write the shipped network for the peers: ``weights.npz``, ``network.onnx``, ``classes.json``.

    The graph is the one that PyTorch exports by itself, from float32 ``(N, 3, 32, 32)`` in [0, 1]
    to probabilities ``(N, C)``; nothing is left out of it as it is out of the one that we serve.
    """
    with zipfile.ZipFile(ARCHIVE) as files:
        weights = torch.load(BytesIO(files.read(WEIGHTS_FILE_NAME)), weights_only=True)
    network = ReferenceCNN(len(class_names)).eval()
    network.load_state_dict(weights)
    torch.onnx.export(
        nn.Sequential(network, nn.Softmax(dim=1)).eval(),
        (torch.zeros(2, 3, 32, 32),),
        directory / "network.onnx",
        input_names=["pixels"],
        output_names=["probabilities"],
        dynamic_shapes=({0: torch.export.Dim("images", min=1)},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    # allow_pickle is spelt out for the type checker, which takes an array for it otherwise.
    np.savez(directory / "weights.npz", allow_pickle=False, **arrays)
    (directory / "classes.json").write_text(json.dumps(list(class_names)))
