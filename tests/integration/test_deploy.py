"""A new version of a model under load: it answers from one moment on, or nothing changes."""

import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
import urllib3
from onnx import numpy_helper

from benchmarks.deploy.load import Load
from model import PROJECT
from model.inference import CARD_FILE_NAME, GRAPH_FILE_NAME
from serving import deploy
from serving.changed_classes import MODEL_API_SWITCH
from serving.management import Management, model_api
from serving.packing import pack
from tests.helpers.pictures import SHIPPED_ARCHIVE, SHIPPED_ARCHIVES
from tests.helpers.server import START_SECONDS, Server, running_server
from tests.helpers.training import FinishedRun
from tests.helpers.waiting import wait_until


@contextmanager
def serving(directory: Path) -> Iterator[Server]:
    """A server that may get new versions: version 2.0 answers at first."""
    store = directory / "store"
    store.mkdir(exist_ok=True)
    if not any(store.iterdir()):
        for archive in SHIPPED_ARCHIVES:
            shutil.copy(archive, store)
    with running_server(directory, MODEL_STORE=str(store), MODEL_VERSION="latest") as server:
        yield server


@pytest.fixture(scope="module")
def ours() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory)) as server:
        yield server


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What runs the command with the settings of a server, and returns what it says."""

    def run(server: Server, *arguments: object, code: int = 0) -> str:
        directory, store = server.settings.torchserve_run_directory, server.settings.model_store
        monkeypatch.setenv("TORCHSERVE_RUN_DIRECTORY", str(directory))
        monkeypatch.setenv("MODEL_STORE", str(store))
        for variable, port in server.ports.items():
            monkeypatch.setenv(variable, str(port))
        assert deploy.main([*map(str, arguments)]) == code, capsys.readouterr().err
        said = capsys.readouterr()
        assert (said.out + said.err).count("\n") == 1
        assert not (directory / MODEL_API_SWITCH).exists()
        return said.err if code else said.out

    return run


def state(server: Server) -> object:
    """What a deploy changes: the versions that TorchServe has, its default, and the store."""
    url = f"{server.settings.management_url}/models/cifar10"
    default, versions = (
        sorted(
            one["modelVersion"]
            for one in server.http.request(
                "GET", address, headers=server.authorization("management")
            ).json()
        )
        for address in (url, f"{url}/all")
    )
    store = server.settings.model_store
    return default, versions, {file.name: file.read_bytes() for file in store.iterdir()}


def load(server: Server, picture: bytes) -> Load:
    """Clients of TorchServe and of the page."""
    rest = f"{server.settings.inference_url}/predictions/cifar10", server.authorization()
    page = f"{server.web_ui}/predict", {"Accept": "application/json", "Content-Type": "image/png"}
    return Load([rest, rest, rest, page], picture)


def versions(load: Load, begin: float, end: float) -> set[str]:
    """Return what answered the requests that were sent in a time."""
    return {answer.version for answer in load.between(begin, end)}


def test_no_request_fails_while_a_version_comes_and_goes(
    ours: Server, command: Callable[..., str], png: bytes
) -> None:
    with load(ours, png) as sent:
        time.sleep(1)
        begin = time.monotonic()
        said = command(ours, SHIPPED_ARCHIVE)
        deployed = time.monotonic()
        time.sleep(1)
        back = time.monotonic()
        assert "cifar10 2.0 answers again, in the place of 3.0" in command(ours, "--rollback")
        rolled_back = time.monotonic()
        time.sleep(1)
        end = time.monotonic()
    assert said.startswith("cifar10 3.0 answers now (")
    assert versions(sent, 0, begin) == {"2.0"}
    assert versions(sent, begin, deployed) <= {"2.0", "3.0"}
    assert versions(sent, deployed, back) == {"3.0"}
    assert versions(sent, back, rolled_back) <= {"3.0", "2.0"}
    assert versions(sent, rolled_back, end) == {"2.0"}
    # What was deployed is still there for those who name it.
    assert ours.post("/predictions/cifar10/3.0", body=png).json()["model"]["version"] == "3.0"
    assert "no version of cifar10 answered before" in command(ours, "--rollback", code=1)


def rewrite(target: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """Copy a shipped archive, with another content of one of its files."""
    with zipfile.ZipFile(SHIPPED_ARCHIVE) as old, zipfile.ZipFile(target, "w") as new:
        for file in old.namelist():
            new.writestr(file, change(old.read(file)) if file == name else old.read(file))
    return target


def renamed(names: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    def change(card: bytes) -> bytes:
        fields = json.loads(card)
        return json.dumps({**fields, "class_names": names(fields["class_names"])}).encode()

    return change


def weighted(make: Callable[[np.ndarray], np.ndarray]) -> Callable[[bytes], bytes]:
    def change(graph: bytes) -> bytes:
        model = onnx.load_from_string(graph)
        for weights in model.graph.initializer:
            values = numpy_helper.to_array(weights)
            if values.dtype == np.float32:
                made = make(values).astype(np.float32)
                weights.CopyFrom(numpy_helper.from_array(made, weights.name))
        return bytes(model.SerializeToString())

    return change


def sample(server: Server, folder: Path) -> Path:
    """Label pictures as the version that answers does."""
    for number, file in enumerate(sorted((PROJECT / "docs" / "examples").iterdir())):
        for turn in range(4):
            label = server.predict(file.read_bytes()).json()["label"]
            (folder / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / label / f"{number}-{turn}.webp")
    # Other files are passed over.
    (folder / label / "notes.txt").write_text("cat")
    return folder


def random_like(values: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).normal(values.mean(), values.std() + 1e-6, values.shape)


BAD = {
    "damaged": ("new.mar is damaged", None),
    "NaN": ("it is not a prediction", (GRAPH_FILE_NAME, weighted(lambda old: old * np.nan))),
    "noise": ("of 4 known pictures, although", (GRAPH_FILE_NAME, weighted(random_like))),
    "other classes": (
        "it knows other classes",
        (CARD_FILE_NAME, renamed(lambda names: [*names[:-1], "boat"])),
    ),
    "worse": ("it is worse: ", (CARD_FILE_NAME, renamed(lambda names: [*names[1:], names[0]]))),
    "too slow": ("it is too slow: a picture takes ", (CARD_FILE_NAME, lambda card: card)),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_archive_is_refused_in_one_line_and_nothing_changes(
    ours: Server, command: Callable[..., str], tmp_path: Path, kind: str
) -> None:
    words, change = BAD[kind]
    archive = tmp_path / "new.mar"
    if change:
        rewrite(archive, *change)
    else:
        whole = SHIPPED_ARCHIVE.read_bytes()
        middle = len(whole) // 2
        archive.write_bytes(whole[:middle] + bytes(9) + whole[middle + 9 :])
    arguments: list[object] = [archive]
    if kind == "worse":
        arguments += ["--data", sample(ours, tmp_path / "sample")]
    if kind == "too slow":
        arguments += ["--slower", "0.01"]
    before = state(ours)
    said = command(ours, *arguments, code=1)
    assert said.startswith("serving.deploy: nothing has changed: ")
    assert words in said
    assert state(ours) == before


def test_a_deploy_takes_away_what_a_killed_one_left(
    ours: Server, command: Callable[..., str]
) -> None:
    before, management = state(ours), Management(ours.settings)
    left = ours.settings.model_store / ".cifar10-77.0.mar"
    with model_api(ours.settings):
        pack(SHIPPED_ARCHIVE, left, "cifar10", "77.0", None)
        management.register(left.name)
        management.wait_until_ready("77.0")
    command(ours, PROJECT / "README.md", code=1)
    assert not left.exists()
    assert state(ours) == before


def answering_version(server: Server, picture: bytes, name: str = "cifar10") -> str | None:
    with suppress(urllib3.exceptions.HTTPError, KeyError, ValueError, OSError):
        answer = server.post(f"/predictions/{name}", body=picture).json()
        return str(answer["model"]["version"])
    return None


def test_what_was_deployed_answers_after_a_restart(
    command: Callable[..., str], tmp_path: Path, png: bytes, finished_run: FinishedRun
) -> None:
    own = (finished_run.path, "--name", "weather", "--data", finished_run.pictures)
    with serving(tmp_path) as server:
        command(server, SHIPPED_ARCHIVE)
        command(server, SHIPPED_ARCHIVE)
        command(server, "--rollback")
        assert command(server, *own).startswith("weather 1.0 answers now (")
        (java,) = (one for one in server.process.children(recursive=True) if one.name() == "java")
        # TorchServe is started anew.
        java.kill()
        java.wait()
        # A deploy that is killed leaves the switch on.
        (server.settings.torchserve_run_directory / MODEL_API_SWITCH).touch()
        wait_until(lambda: answering_version(server, png), START_SECONDS, pause=0.2)
        assert answering_version(server, png) == "3.0"
        wait_until(lambda: answering_version(server, png, "weather") == "1.0", 30, pause=0.2)
        assert not (server.settings.torchserve_run_directory / MODEL_API_SWITCH).exists()
    with serving(tmp_path) as server:
        assert answering_version(server, png) == "3.0"
        assert answering_version(server, png, "weather") == "1.0"
        assert "cifar10 2.0 answers again" in command(server, "--rollback")
        assert answering_version(server, png) == "2.0"
