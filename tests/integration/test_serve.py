"""`serve.py` as a process: how it starts, what it says, and that it leaves nothing behind."""

import os
import shutil
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import psutil
import urllib3

from serving.changed_classes import CHANGES
from tests.helpers.server import (
    SERVING_PYTHON,
    START_SECONDS,
    Server,
    free_ports,
    running_server,
    server_environment,
    start_serve,
    wait_for_line,
)
from tests.helpers.waiting import wait_until
from webui.settings import Settings


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


def processes_named(name: str, ancestor: psutil.Process) -> list[psutil.Process]:
    return [found for found in ancestor.children(recursive=True) if found.name() == name]


def answers(server: Server, image: bytes) -> bool:
    with suppress(urllib3.exceptions.HTTPError):
        return server.ask_page(image).status == 200
    return False


def test_the_address_is_printed_once_a_prediction_has_gone_through(server: Server) -> None:
    assert f"{server.web_ui}/" in server.greeting


def test_torchserve_finds_the_changed_classes_before_its_own(server: Server) -> None:
    directory = server.settings.torchserve_run_directory.resolve()
    (java,) = processes_named("java", server.process)
    command = java.cmdline()
    class_path = command[command.index("-cp") + 1]
    assert all((directory / name).is_file() for name in CHANGES)
    assert java.cwd() == str(directory)
    assert class_path.split(":")[0] in {".", ""}


def test_a_start_logs_no_error_and_a_signal_ends_everything(tmp_path: Path) -> None:
    ports, marker = free_ports(), make_marker()
    # A terminal that lacks letters stops nothing.
    process = start_serve(tmp_path, ports, SERVE_TEST_MARKER=marker, PYTHONIOENCODING="ascii")
    wait_for_line(process, "The model answers")
    assert "ERROR" not in (tmp_path / "run" / "webui.log").read_text()
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
    assert not (tmp_path / "run" / "tmp").exists()


def test_a_signal_while_starting_stops_everything_too(tmp_path: Path) -> None:
    marker = make_marker()
    process = start_serve(tmp_path, free_ports(), SERVE_TEST_MARKER=marker)
    wait_until(lambda: len(descendants_by_environment(marker)) >= 3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert descendants_by_environment(marker) == []


def test_a_server_that_dies_is_started_anew(tmp_path: Path, png: bytes) -> None:
    with running_server(tmp_path) as server:
        directory = server.settings.torchserve_run_directory.resolve()
        for child in server.process.children():
            for process in [child, *child.children(recursive=True)]:
                process.kill()
        wait_until(lambda: answers(server, png), START_SECONDS, pause=0.2)
        # The page that runs on knows the new keys, too.
        (java,) = processes_named("java", server.process)
        java.kill()
        java.wait()
        wait_until(lambda: answers(server, png), START_SECONDS, pause=0.2)
        url = f"http://127.0.0.1:{server.ports['SERVE_METRICS_PORT']}/metrics"
        metrics = server.http.request("GET", url).data.decode()
        assert 'serve_restarts_total{server="TorchServe"} 2.0' in metrics
        assert 'serve_restarts_total{server="the web UI"} 1.0' in metrics
        assert {path.name for path in directory.glob("*.log")} == {"console.log", "webui.log"}
        # The logs of the earlier starts are still there. Java writes this at once at each start.
        assert (directory / "console.log").read_text().count("getCallerClass") == 3
        assert (directory / "webui.log").read_text().count("The web UI is at") == 2


def test_what_a_killed_start_left_is_ended_by_the_next_one(tmp_path: Path) -> None:
    marker = make_marker()
    ports = free_ports()
    killed = start_serve(tmp_path, ports, SERVE_TEST_MARKER=marker)
    wait_for_line(killed, "The model answers")
    killed.kill()
    killed.communicate()
    assert len(descendants_by_environment(marker)) >= 4
    process = start_serve(tmp_path, ports)
    wait_for_line(process, "The model answers")
    assert descendants_by_environment(marker) == []
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143


def test_a_server_that_never_answered_ends_everything_with_a_clear_line(tmp_path: Path) -> None:
    marker = make_marker()
    process = start_serve(tmp_path, free_ports(), SERVE_TEST_MARKER=marker)
    wait_until((tmp_path / "run" / "key_file.json").exists)
    (java,) = processes_named("java", psutil.Process(process.pid))
    java.kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "TorchServe ended by itself" in output
    assert descendants_by_environment(marker) == []


def test_torchserve_is_started_anew_when_it_has_lost_its_keys_or_its_files(
    tmp_path: Path, png: bytes
) -> None:
    impatient = (
        "from serving import readiness, supervision;"
        "readiness.NO_ANSWER_SECONDS = readiness.ANSWER_SECONDS = 2;"
        "supervision.CHECK_SECONDS = 1; import serve; serve.main([])"
    )
    ports = free_ports()
    process = start_serve(tmp_path, ports, SERVING_PYTHON, ("-c", impatient))
    greeting = wait_for_line(process, "The model answers")
    settings = Settings.from_environment(server_environment(tmp_path, ports))
    server = Server(psutil.Process(process.pid), ports, settings, greeting)
    # serve.py sees it work, and has no more patience with a start.
    time.sleep(3)
    (java,) = processes_named("java", psutil.Process(process.pid))
    settings.key_file.write_text("")
    wait_for_line(process, "TorchServe does not work")
    # Until then, the old one answers the web UI, which knows its keys.
    java.wait(60)
    wait_until(lambda: answers(server, png), START_SECONDS, pause=0.2)
    time.sleep(3)
    workers = server.worker_pids()
    shutil.rmtree(tmp_path / "run" / "tmp" / "models")
    for worker in workers:
        psutil.Process(worker).kill()
    wait_for_line(process, "TorchServe does not work")
    wait_until(lambda: answers(server, png), START_SECONDS, pause=0.2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_torchserve_still_answers_while_the_web_ui_stops(tmp_path: Path, png: bytes) -> None:
    with running_server(tmp_path) as server:
        (web_ui,) = [one for one in server.process.children() if "webui" in one.cmdline()]
        web_ui.suspend()
        server.process.terminate()
        time.sleep(3)
        assert server.predict(png).status == 200
        web_ui.resume()
        server.process.wait(30)
