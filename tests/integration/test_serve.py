"""`serve.py` as a process: how it starts, what it says, and that it leaves nothing behind."""

import os
import signal
import socket
import time
from pathlib import Path

import psutil

from serving.batch_delay import CLASS_FILE
from tests.helpers.server import Server, free_ports, running_server, start_serve, wait_for_line
from tests.helpers.waiting import wait_until


def make_marker() -> str:
    return f"marker-{os.getpid()}-{time.monotonic_ns()}"


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


def test_torchserve_finds_the_class_that_does_not_wait_before_its_own(server: Server) -> None:
    directory = server.settings.torchserve_run_directory.resolve()
    (java,) = [found for found in server.process.children(recursive=True) if found.name() == "java"]
    command = java.cmdline()
    class_path = command[command.index("-cp") + 1]
    assert (directory / CLASS_FILE).is_file()
    assert java.cwd() == str(directory)
    assert class_path.split(":")[0] in {".", ""}


def test_a_signal_stops_everything_and_frees_the_ports(tmp_path: Path) -> None:
    ports, marker = free_ports(), make_marker()
    # A terminal that lacks letters stops nothing.
    process = start_serve(tmp_path, ports, SERVE_TEST_MARKER=marker, PYTHONIOENCODING="ascii")
    wait_for_line(process, "The model answers")
    assert len(descendants_by_environment(marker)) >= 5
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert descendants_by_environment(marker) == []
    for port in ports.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_signal_while_starting_stops_everything_too(tmp_path: Path) -> None:
    marker = make_marker()
    process = start_serve(tmp_path, free_ports(), SERVE_TEST_MARKER=marker)
    wait_until(lambda: len(descendants_by_environment(marker)) >= 3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert descendants_by_environment(marker) == []


def test_when_torchserve_dies_everything_ends_with_a_clear_line(tmp_path: Path) -> None:
    marker = make_marker()
    process = start_serve(tmp_path, free_ports(), SERVE_TEST_MARKER=marker)
    wait_for_line(process, "The model answers")
    (java,) = [found for found in descendants_by_environment(marker) if found.name() == "java"]
    java.kill()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "TorchServe ended by itself" in output
    assert descendants_by_environment(marker) == []


def test_the_highest_version_answers_and_each_has_an_address(tmp_path: Path, png: bytes) -> None:
    with running_server(tmp_path, MODEL_VERSION="latest") as server:
        for address, version in (("", "2.0"), ("/2.0", "2.0"), ("/1.0", "1.0")):
            answer = server.post(f"/predictions/cifar10{address}", body=png).json()
            assert answer["model"] == {"name": "cifar10", "version": version}
        page = server.http.request("GET", server.web_ui).data.decode()
        assert page.index("version=2.0") < page.index("version=1.0") < page.index("version=all")
