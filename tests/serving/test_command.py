"""`serve.py` without its servers: exit codes, and what it says before it starts anything."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import serve
from model import PROJECT
from serving.supervision import Server
from serving.torchserve import run_directory
from tests.helpers.pictures import SHIPPED_ARCHIVE
from tests.helpers.server import free_ports, server_environment
from webui.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The settings of a server that may start; its handlers of signals are taken back."""
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    settings = server_environment(tmp_path, free_ports())
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    yield settings
    for number, handler in earlier.items():
        signal.signal(number, handler)


def refusal(capsys: pytest.CaptureFixture[str], code: int) -> str:
    assert serve.main([]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(("number", "code"), list(zip(SIGNALS, (130, 143, 129), strict=True)))
@pytest.mark.usefixtures("environment")
def test_the_exit_code_is_what_a_shell_expects_after_a_signal(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    monkeypatch.setattr(Server, "start", lambda _: None)
    monkeypatch.setattr(serve, "wait_for_answer", lambda *_: os.kill(os.getpid(), number))
    assert serve.main([]) == code


@pytest.mark.usefixtures("environment")
def test_each_line_is_json_if_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setattr(Server, "start", lambda _: None)
    monkeypatch.setattr(serve, "wait_for_answer", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    serve.main([])
    starting, stopping = map(json.loads, capsys.readouterr().out.splitlines())
    assert starting.keys() == {"time", "level", "logger", "message"}
    assert starting["message"].startswith("Starting TorchServe")
    assert stopping["message"] == "Stopping …"


@pytest.mark.parametrize("variable", ["WEBUI_PORT", "TORCHSERVE_GRPC_INFERENCE_PORT"])
def test_a_busy_port_is_named_in_one_line(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    with socket.create_server(("127.0.0.1", int(environment[variable]))):
        error = refusal(capsys, 1)
    assert environment[variable] in error
    assert variable in error


@pytest.mark.usefixtures("environment")
def test_a_wrong_setting_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_NAME", "absent")
    assert "has no archive of absent" in refusal(capsys, 1)
    monkeypatch.setenv("MODEL_NAME", "cifar10")
    monkeypatch.setenv("MODEL_VERSION", "9.9")
    assert "set MODEL_VERSION to one of 2.0, 1.0" in refusal(capsys, 1)
    monkeypatch.setenv("WEBUI_PORT", "many")
    assert "WEBUI_PORT" in refusal(capsys, 2)


def test_one_port_for_two_settings_is_named_in_one_line(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHSERVE_METRICS_PORT", environment["WEBUI_PORT"])
    assert "TORCHSERVE_METRICS_PORT" in refusal(capsys, 1)


def test_a_second_server_in_the_same_run_directory_is_refused(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_directory(Settings.from_environment(environment)):
        assert "TORCHSERVE_RUN_DIRECTORY" in refusal(capsys, 1)


def test_a_run_directory_that_others_can_write_to_is_refused(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    directory = Path(environment["TORCHSERVE_RUN_DIRECTORY"])
    directory.mkdir()
    directory.chmod(0o777)
    assert f"others can write to {directory}" in refusal(capsys, 1)


@pytest.mark.usefixtures("environment")
def test_a_truncated_or_damaged_archive_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "new.mar"
    monkeypatch.setenv("MODEL_STORE", str(tmp_path))
    whole = SHIPPED_ARCHIVE.read_bytes()
    middle = len(whole) // 2
    for content in (whole[:-1000], b"", whole[:middle] + bytes(9) + whole[middle + 9 :]):
        archive.write_bytes(content)
        assert f"{archive} is damaged" in refusal(capsys, 1)


def test_a_torchserve_that_is_started_by_hand_accepts_more_than_the_web_ui() -> None:
    lines = (PROJECT / "config.properties").read_text().splitlines()
    (limit,) = [line.split("=")[1] for line in lines if line.startswith("max_request_size")]
    assert int(limit) > Settings().max_upload_bytes
