"""Starts TorchServe with the project's settings, in a working directory of its own."""

import fcntl
import json
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from model import PROJECT
from serving import ServeError
from serving.batch_delay import count_batch_delay_in_microseconds
from serving.supervision import running
from webui.settings import LATEST, Settings, order_of_version

# Folder on the workers' import path; the module in it says why.
PYTORCH_STAND_IN = PROJECT / "serving" / "pytorch_stand_in"


def find_archives(settings: Settings) -> list[Path]:
    """Return the archives of all versions of the model.

    The one that answers by default comes first, the others by falling version.

    Raises:
        ServeError: The model store has none of this model, or not the version that was asked for.
    """
    archives: dict[str, Path] = {}
    for archive in sorted(settings.model_store.glob("*.mar")):
        model = _read_manifest(archive).get("model", {})
        if model.get("modelName") == settings.model_name:
            archives[str(model.get("modelVersion"))] = archive
    if not archives:
        raise ServeError(
            f"{settings.model_store} has no archive of {settings.model_name}: make it with `python "
            f"-m model.archive runs/NAME --name {settings.model_name}`, or set MODEL_STORE and "
            "MODEL_NAME"
        )
    versions = sorted(archives, key=order_of_version, reverse=True)
    default = versions[0] if settings.model_version == LATEST else settings.model_version
    if default not in archives:
        raise ServeError(
            f"{settings.model_store} has no version {default} of {settings.model_name}: set "
            f"MODEL_VERSION to one of {', '.join(versions)}"
        )
    return [archives[version] for version in sorted(versions, key=default.__ne__)]


def _read_manifest(archive: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(zipfile.Path(archive, "MAR-INF/MANIFEST.json").read_bytes())
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error):
        # It may be of another model, and must not be in the way of this one.
        return {}
    return manifest if isinstance(manifest, dict) else {}


@contextmanager
def run_directory(settings: Settings) -> Iterator[None]:
    """Create and lock TorchServe's working directory; only its owner may enter a new one.

    Raises:
        ServeError: The directory can't be written to, or another server has locked it.
    """
    directory = settings.torchserve_run_directory
    with ExitStack() as opened:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = opened.enter_context((directory / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Keys of an earlier start would be taken for those of this one.
            (directory / "key_file.json").unlink(missing_ok=True)
        except BlockingIOError as error:
            raise ServeError(
                f"{directory} is used by another server: set TORCHSERVE_RUN_DIRECTORY to a "
                "directory of its own"
            ) from error
        except OSError as error:
            raise ServeError(
                f"TORCHSERVE_RUN_DIRECTORY can't be used: set it to a writable directory ({error})"
            ) from error
        yield


@contextmanager
def torchserve(settings: Settings, java_home: str) -> Iterator[psutil.Popen]:
    """Run TorchServe in its working directory, which holds its keys and logs.

    Args:
        settings: The settings of this server.
        java_home: The home directory of Java.

    Yields:
        TorchServe's process, which is stopped at the end.
    """
    directory = settings.torchserve_run_directory.resolve()
    count_batch_delay_in_microseconds(directory)
    # Each start gets a new temporary folder, because TorchServe takes a second start with the same
    # one for a restart. It is not in the run directory, because a socket's path must be shorter
    # than 108 characters.
    with tempfile.TemporaryDirectory(prefix="torchserve-") as temporary:
        environment = torchserve_environment(settings, java_home, temporary)
        command = [
            sys.executable,
            # A snapshot of an earlier start would silently override config.properties.
            *("-m", "ts.model_server", "--start", "--foreground", "--no-config-snapshots"),
            f"--ts-config={PROJECT / 'config.properties'}",
            f"--log-config={PROJECT / 'log4j2.xml'}",
            f"--model-store={settings.model_store.resolve()}",
            # TorchServe takes the first version that it loads for the default.
            *(
                "--models",
                *(f"{settings.model_name}={file.name}" for file in find_archives(settings)),
            ),
        ]
        with running(command, directory / "console.log", directory, environment) as process:
            yield process


def torchserve_environment(settings: Settings, java_home: str, temporary: str) -> dict[str, str]:
    """Return TorchServe's environment variables.

    Args:
        settings: The settings of this server.
        java_home: The home directory of Java.
        temporary: The directory for temporary files.

    Returns:
        The variables of this process, with those that ``settings`` change.
    """
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
