"""The servers that are compared: how each is started, and what it must answer."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.common.peer_environment import prepare
from benchmarks.common.programs import running
from benchmarks.common.server import Server, free_ports, our_server, wait_until_ready
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


def start(name: str, version: str, archive: Path) -> AbstractContextManager[Server]:
    """Run ours or a peer until it is ready; a peer reads the folder of the unpacked ``archive``.

    Raises:
        ProgramError: It does not start.
    """
    return our_server(version) if name == OURS else _fastapi_server(archive / GRAPHS[name])


@contextmanager
def _fastapi_server(graph: Path) -> Iterator[Server]:
    (port,) = free_ports(1)
    command = [str(prepare(GROUP)), "-m", *COMMAND.split(), str(port)]
    with running(command, {"GRAPH": str(graph)}) as process:
        server = Server(process.pid, f"http://127.0.0.1:{port}/predict")
        wait_until_ready(server)
        yield server


def load_expected(name: str, archive: Path) -> Classifier:
    """Load the classifier that a server must agree with: the graph that it computes."""
    if name == OURS:
        return Classifier.load(archive)
    return Classifier((archive / GRAPHS[name]).read_bytes(), ModelCard.load(archive))
