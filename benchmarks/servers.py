"""The servers that are compared: how each is started, and how a picture is sent to it."""

import base64
import json
import re
import socket
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import urllib3
from PIL import Image

import serve
from benchmarks import peer_environment
from benchmarks.load import Request
from benchmarks.pictures import Picture
from benchmarks.programs import PROJECT, ProgramError, running
from model.classifier import WEIGHTS_FILE_NAME, Classifier
from webui.settings import Settings

ARCHIVE = PROJECT / "model_store" / "cifar10.mar"
GROUP = "serving-benchmark"
START_SECONDS = 180
ANSWER_SECONDS = 60
# A server that takes less of one processor for so long has nothing left to do.
IDLE_SECONDS = 0.5
IDLE_SHARE = 0.2
OK = 200
BOUNDARY = "picture-boundary"
# No telemetry; and no GPU, as the others have none.
PEER_ENVIRONMENT = {"BENTOML_DO_NOT_TRACK": "True", "CUDA_VISIBLE_DEVICES": ""}

Encode = Callable[[bytes], tuple[bytes, dict[str, str]]]


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        pid: root of its processes.
        url: where pictures are sent to.
        encode: makes the body and the headers that it takes.
        headers: besides those.
        alive: whether it still runs.
    """

    pid: int
    url: str
    encode: Encode
    alive: Callable[[], bool]
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, picture: bytes) -> Request:
        """Return the request that sends a picture."""
        body, headers = self.encode(picture)
        return Request(self.url, body, {**headers, **self.headers})


@dataclass(frozen=True)
class Contestant:
    """One server of the comparison.

    Attributes:
        name: what ``--only`` calls it.
        label: what the tables call it.
        start: runs it while the context is entered; takes the directory of the net's files.
    """

    name: str
    label: str
    start: Callable[[Path], AbstractContextManager[Server]]


def raw(picture: bytes) -> tuple[bytes, dict[str, str]]:
    """Send the file as it is."""
    return picture, {"Content-Type": "application/octet-stream"}


def base64_json(picture: bytes) -> tuple[bytes, dict[str, str]]:
    """Send the file in a JSON document."""
    body = json.dumps({"image": base64.b64encode(picture).decode()}).encode()
    return body, {"Content-Type": "application/json"}


def multipart(picture: bytes) -> tuple[bytes, dict[str, str]]:
    """Send the file as a form does."""
    with Image.open(BytesIO(picture)) as image:
        # BentoML goes by it.
        kind = image.get_format_mimetype() or ""
    fields = {"image": ("picture", picture, kind)}
    body, content_type = urllib3.encode_multipart_formdata(fields, boundary=BOUNDARY)
    return body, {"Content-Type": content_type}


@contextmanager
def start_ours(_net: Path) -> Iterator[Server]:
    """Run TorchServe as ``make serve`` does, with the shipped archive, without the web UI."""
    names = [one.variable for one in Settings.describe() if one.variable.endswith("_PORT")]
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings.from_environment(
            {
                **dict(zip(names, map(str, free_ports(len(names))), strict=True)),
                "MODEL_STORE": str(ARCHIVE.parent),
                "TORCHSERVE_RUN_DIRECTORY": directory,
            }
        )
        try:
            with (
                serve.run_directory(settings),
                serve.torchserve(settings, serve.find_java_home()) as process,
            ):
                yield Server(
                    pid=process.pid,
                    url=f"{settings.inference_url}/predictions/{settings.model_name}",
                    encode=raw,
                    alive=lambda: process.poll() is None,
                    headers={"Authorization": f"Bearer {_key(settings)}"},
                )
        except serve.ServeError as error:
            raise ProgramError(str(error)) from error


def _key(settings: Settings) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            keys = json.loads(settings.key_file.read_text())
            return str(keys["inference"]["key"])
        except (OSError, ValueError):
            # Not written yet, or not to its end.
            time.sleep(0.1)
    raise ProgramError("TorchServe left no keys")


def _peer(
    arguments: Callable[[Path, int], Sequence[str]], encode: Encode
) -> Callable[[Path], AbstractContextManager[Server]]:
    """Return what starts a peer: its Python with these arguments, for a directory and a port."""

    @contextmanager
    def start(net: Path) -> Iterator[Server]:
        (port,) = free_ports(1)
        python = peer_environment.prepare(GROUP)
        command = [str(python), "-m", *arguments(net, port)]
        with running(command, {"NET_DIRECTORY": str(net), **PEER_ENVIRONMENT}) as process:
            url = f"http://127.0.0.1:{port}/predict"
            yield Server(process.pid, url, encode, lambda: process.poll() is None)

    return start


def _uvicorn(_net: Path, port: int) -> list[str]:
    application = "benchmarks.peers.fastapi_serving:app"
    return ["uvicorn", application, "--workers", "2", "--no-access-log", "--port", str(port)]


def _litserve(net: Path, port: int) -> list[str]:
    return ["benchmarks.peers.litserve_serving", str(net), str(port)]


def _bentoml(_net: Path, port: int) -> list[str]:
    service = "benchmarks.peers.bentoml_serving:Pictures"
    return ["bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]


def _flask(net: Path, port: int) -> list[str]:
    return ["benchmarks.peers.flask_serving", str(net), str(port)]


CONTESTANTS = (
    Contestant("ours", "ours, TorchServe", start_ours),
    Contestant("fastapi", "FastAPI and ONNX Runtime, 2 processes", _peer(_uvicorn, raw)),
    Contestant("litserve", "LitServe and ONNX Runtime", _peer(_litserve, base64_json)),
    Contestant("bentoml", "BentoML and ONNX Runtime, 2 workers", _peer(_bentoml, multipart)),
    Contestant("flask", "the original's way, Flask and Keras", _peer(_flask, multipart)),
)


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def write_net(directory: Path, archive: Path = ARCHIVE) -> None:
    """Write the shipped net for the peers: ``weights.npz``, ``classes.json`` and ``net.onnx``."""
    with zipfile.ZipFile(archive) as files:
        weights = torch.load(BytesIO(files.read(WEIGHTS_FILE_NAME)), weights_only=True)
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    # allow_pickle is spelt out for the type checker, which takes an array for it otherwise.
    np.savez(directory / "weights.npz", allow_pickle=False, **arrays)
    classes = Classifier.load(archive).card.class_names
    (directory / "classes.json").write_text(json.dumps(list(classes)))
    python = peer_environment.prepare(GROUP)
    command = [str(python), "-m", "benchmarks.peers.onnx_classifier", str(directory)]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ProgramError(f"net.onnx can't be made: {result.stderr.strip().splitlines()[-1:]}")


def ask(server: Server, picture: bytes) -> dict[str, Any]:
    """Send one picture and return the answer.

    Raises:
        ProgramError: there is none, or another status than 200.
    """
    request = server.request(picture)
    try:
        response = urllib3.request(
            "POST",
            request.url,
            body=request.body,
            headers=dict(request.headers),
            timeout=ANSWER_SECONDS,
            retries=False,
        )
        answer = response.json() if response.status == OK else None
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise ProgramError(f"it gives no answer: {error}") from error
    if not isinstance(answer, dict):
        beginning = response.data[:200].decode(errors="replace")
        raise ProgramError(f"it answers {response.status}: {beginning}")
    return answer


def wait_until_ready(server: Server, picture: bytes) -> float:
    """Return the seconds until a server answers a picture.

    Raises:
        ProgramError: it ended, or there was no answer in time.
    """
    started = time.monotonic()
    while True:
        try:
            ask(server, picture)
            return time.monotonic() - started
        except ProgramError as error:
            if not server.alive():
                raise ProgramError("it ended by itself while it started") from error
            if time.monotonic() - started > START_SECONDS:
                raise
            time.sleep(0.2)


def wait_until_idle(server: Server) -> None:
    """Wait for a server to end what it still does for a load that is over.

    wrk leaves at the end of its time without the answers that are due, and a server goes on to
    work on them: a second and more after a load of large pictures.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    before = processor_seconds(server.pid)
    while time.monotonic() < deadline:
        time.sleep(IDLE_SECONDS)
        now = processor_seconds(server.pid)
        if now - before < IDLE_SHARE * IDLE_SECONDS:
            break
        before = now


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and its descendants have taken."""
    seconds = 0.0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                seconds += times.user + times.system
    return seconds


def largest_difference(server: Server, pictures: Sequence[Picture], net: Classifier) -> float:
    """Return how far the server's probabilities lie from the net's own, at most.

    Raises:
        ProgramError: they lie further than a picture tolerates, or a photo's label is another.
    """
    largest = 0.0
    for picture in pictures:
        answer, expected = ask(server, picture.data), net.classify(picture.data)
        difference = compare_answers(answer, expected)
        if difference > picture.tolerance:
            raise ProgramError(
                f"its answers are wrong: {difference:.3f} from the net's for the {picture.label}, "
                f"where {picture.tolerance} is tolerated"
            )
        if picture.name == "jpeg" and answer.get("label") != expected["label"]:
            raise ProgramError(
                f"its answers are wrong: {answer.get('label')!r} for the {picture.label}, "
                f"not {expected['label']!r}"
            )
        largest = max(largest, difference)
    return largest


def compare_answers(answer: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    """Return the largest difference between the probabilities of two answers.

    Raises:
        ProgramError: ``answer`` lacks them, or has other classes.
    """
    given, wanted = answer.get("probabilities"), expected["probabilities"]
    if not isinstance(given, dict) or given.keys() != wanted.keys():
        raise ProgramError("its answers are wrong: they lack the probabilities of the classes")
    # A probability that is no number must not pass for a small difference.
    differences = [abs(given[name] - wanted[name]) for name in wanted]
    return float(np.nan_to_num(np.array(differences), nan=np.inf).max())


def server_software() -> dict[str, str]:
    """Return the versions of Java and wrk."""
    java = Path(serve.find_java_home()) / "bin" / "java"
    texts = {
        "java": subprocess.run([java, "-version"], capture_output=True, text=True, check=False),
        "wrk": subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False),  # noqa: S607
    }
    found = {
        name: re.search(r'(?:version "|wrk )([^" ]+)', result.stderr + result.stdout)
        for name, result in texts.items()
    }
    return {name: match[1] if match else "unknown" for name, match in found.items()}
