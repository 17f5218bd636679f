"""Starts TorchServe with the project's settings, in a working directory of its own."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from model import PROJECT
from serving import ServeError
from serving.changed_classes import MODEL_API_SWITCH, change_classes
from serving.model_store import find_archives
from serving.supervision import end_marked, running
from webui.settings import Settings

# Folder on the workers' import path; the module in it says why.
PYTORCH_STAND_IN = PROJECT / "serving" / "pytorch_stand_in"
# Name as long as that of any socket that TorchServe makes in its temporary folder, and the longest
# path that a socket may have (on macOS; on Linux four more).
LONGEST_SOCKET = ".ts.sock.65535"
MAX_SOCKET_PATH_BYTES = 103


def log_files(settings: Settings) -> tuple[Path, Path]:
    """Return where the output of TorchServe and of the web UI goes."""
    directory = settings.torchserve_run_directory.resolve()
    return directory / "console.log", directory / "webui.log"


@contextmanager
def run_directory(settings: Settings) -> Iterator[None]:
    """Create and lock TorchServe's working directory, and end what an earlier start left there.

    Raises:
        ServeError: The directory can't be written to, others than its owner can write to it, or
            another server has locked it.
    """
    directory = settings.torchserve_run_directory
    with ExitStack() as opened:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Java loads classes from it.
            if directory.stat().st_uid != os.getuid() or directory.stat().st_mode & 0o022:
                raise PermissionError(f"others can write to {directory}, see `chmod go-w`")
            lock = opened.enter_context((directory / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServeError(
                f"{directory} is used by another server: set TORCHSERVE_RUN_DIRECTORY to a "
                "directory of its own"
            ) from error
        except OSError as error:
            raise ServeError(
                f"TORCHSERVE_RUN_DIRECTORY can't be used ({error}): set it to a directory that "
                "only you can write to"
            ) from error
        for log in log_files(settings):
            end_marked(log)
        yield


@contextmanager
def temporary_folder(directory: Path) -> Iterator[Path]:
    """Create a run directory's folder for temporary files, where nothing cleans while it is used.

    It is new, because TorchServe takes a second start with the same one for a restart. If its path
    were too long for a socket, it is below the user's home instead.

    Raises:
        ServeError: Both paths are too long.
    """
    name = f"torchserve-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:8]}"
    for folder in (directory / "tmp", Path.home() / ".cache" / name):
        if len(os.fsencode(folder / LONGEST_SOCKET)) <= MAX_SOCKET_PATH_BYTES:
            break
    else:
        raise ServeError(
            f"the path of {directory} is too long for TorchServe's sockets: set "
            "TORCHSERVE_RUN_DIRECTORY to one of at most 80 characters"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def torchserve(settings: Settings, java_home: str) -> Iterator[psutil.Popen]:
    """Run TorchServe in its working directory, which holds keys and logs, and stop it at the end.

    Raises:
        ServeError: There is no place for its temporary files, or no archive.
    """
    log, _ = log_files(settings)
    directory = log.parent
    change_classes(directory)
    # A deploy may have been killed.
    (directory / MODEL_API_SWITCH).unlink(missing_ok=True)
    # Keys of an earlier start would be taken for those of this one.
    settings.key_file.unlink(missing_ok=True)
    # TorchServe takes the first version that it loads for the default.
    models = [f"{name}={archive.name}" for name, archive in find_archives(settings)]
    with temporary_folder(directory) as temporary:
        environment = torchserve_environment(settings, java_home, str(temporary))
        command = [
            sys.executable,
            # A snapshot of an earlier start would silently override config.properties.
            *("-m", "ts.model_server", "--start", "--foreground", "--no-config-snapshots"),
            f"--ts-config={PROJECT / 'config.properties'}",
            f"--log-config={PROJECT / 'log4j2.xml'}",
            f"--model-store={settings.model_store.resolve()}",
            *("--models", *models),
        ]
        with running(command, log, directory, environment) as process:
            yield process


def torchserve_environment(settings: Settings, java_home: str, temporary: str) -> dict[str, str]:
    """Return the variables of this process, with those that tell TorchServe its settings."""
    logs = str(settings.torchserve_run_directory.resolve() / "logs")
    # TorchServe would take its settings from the user's own TS_… variables.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TS_")}
    return {
        **inherited,
        "JAVA_HOME": java_home,
        # No other folder is here, so that workers import only the archive's code.
        "PYTHONPATH": str(PYTORCH_STAND_IN),
        "LOG_LOCATION": logs,
        "METRICS_LOCATION": logs,
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TS_INFERENCE_ADDRESS": settings.inference_url,
        "TS_MANAGEMENT_ADDRESS": settings.management_url,
        "TS_METRICS_ADDRESS": f"http://127.0.0.1:{settings.torchserve_metrics_port}",
        # TorchServe accepts a little more than the web UI, so that the UI refuses large uploads.
        "TS_MAX_REQUEST_SIZE": str(settings.max_upload_bytes + 1024 * 1024),
        "TS_GRPC_INFERENCE_PORT": str(settings.torchserve_grpc_inference_port),
        "TS_GRPC_MANAGEMENT_PORT": str(settings.torchserve_grpc_management_port),
    }
