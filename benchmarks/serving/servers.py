"""The servers that are compared: how each is started, and what it must answer."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common.peer_environment import prepare
from benchmarks.common.programs import running
from benchmarks.common.server import BYTES, Request, Server, free_ports, our_server
from model.inference import GRAPH_FILE_NAME, QUANTISED_FILE_NAME
from model.inference.card import ModelCard
from model.inference.classifier import Classifier

OURS = "ours"
GROUP = "serving-benchmark"
FASTAPI = "FastAPI and ONNX Runtime, 2 processes"
LABELS = {
    OURS: "ours, TorchServe",
    "fastapi": FASTAPI,
    "fastapi-int8": f"{FASTAPI}, on our quantised graph",
}
# Graphs that the peers compute.
GRAPHS = {"fastapi": GRAPH_FILE_NAME, "fastapi-int8": QUANTISED_FILE_NAME}
COMMAND = "uvicorn benchmarks.serving.fastapi_serving:app --workers 2 --no-access-log --port"


@contextmanager
def start(name: str, version: str, network: Path) -> Iterator[Server]:
    """Run ours or a peer, which reads what :func:`write_network` wrote into ``network``."""
    if name == OURS:
        with our_server(version) as ours:
            yield ours
        return
    (port,) = free_ports(1)
    command = [str(prepare(GROUP)), "-m", *COMMAND.split(), str(port)]
    environment = {"NETWORK": str(network), "GRAPH": GRAPHS[name]}
    url = f"http://127.0.0.1:{port}/predict"
    with running(command, environment) as process:
        yield Server(process.pid, lambda picture: Request(url, picture, BYTES))


def write_network(archive: Path, directory: Path) -> None:
    """Write the graphs of an archive and ``classes.json`` for the peers."""
    with zipfile.ZipFile(archive) as files:
        files.extractall(directory, set(GRAPHS.values()) & set(files.namelist()))
    class_names = ModelCard.load(archive).class_names
    (directory / "classes.json").write_text(json.dumps(class_names))


def load_expected(name: str, archive: Path) -> Classifier:
    """Load the classifier that a server must agree with: the same graph of the archive."""
    ours = Classifier.load(archive)
    if GRAPHS.get(name) == GRAPH_FILE_NAME:
        return Classifier(zipfile.Path(archive, GRAPH_FILE_NAME).read_bytes(), ours.card)
    return ours
