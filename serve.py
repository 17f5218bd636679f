"""Serve the model: start TorchServe and the web UI, keep them running, and stop them.

python serve.py           serve until Ctrl-C or SIGTERM; `make serve` installs and then runs this
python serve.py --help    show the environment variables that set ports, limits and folders
"""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

import psutil
from prometheus_client import start_http_server

from model import PROJECT
from model.command_line import tolerate_any_encoding
from serving import ServeError
from serving.java import find_java_home
from serving.readiness import find_patience, wait_for_answer
from serving.supervision import Server, keep_running, running
from serving.torchserve import log_files, run_directory, torchserve
from webui.logs import create_formatter
from webui.settings import Settings, SettingsError

LOG = logging.getLogger("serving")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    tolerate_any_encoding()
    parser = argparse.ArgumentParser(
        prog="serve.py",
        description=__doc__,
        epilog=Settings.help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check-java", action="store_true", help="only check for Java; exit with 0 if it is found"
    )
    options = parser.parse_args(arguments)
    try:
        if options.check_java:
            find_java_home()
            return 0
        return serve(Settings.from_environment(os.environ))
    except (SettingsError, ServeError, OSError) as error:
        print(f"serve: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1


def serve(settings: Settings) -> int:
    """Run both servers until a signal arrives.

    Returns:
        The exit code that shells expect: 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP.

    Raises:
        ServeError: A port is taken, Java or the archive is missing, or a server ended by itself
            before the first answer.
    """
    stop = threading.Event()
    received: list[int] = []

    def request_stop(signal_number: int, _frame: object) -> None:
        received.append(signal_number)
        stop.set()

    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, request_stop)
    java_home = find_java_home()
    with ExitStack() as opened:
        opened.enter_context(logging_to_stdout(settings.log_format))
        opened.enter_context(run_directory(settings))
        check_ports(settings)
        metrics, _ = start_http_server(settings.serve_metrics_port, settings.metrics_host)
        opened.enter_context(metrics)
        opened.callback(metrics.shutdown)
        started = time.monotonic()
        LOG.info("Starting TorchServe and the web UI, which takes a few seconds …")
        servers = [
            Server(
                "TorchServe",
                partial(torchserve, settings, java_home),
                partial(find_patience, settings),
            ),
            Server("the web UI", partial(web_ui, settings)),
        ]
        for server in servers:
            # The web UI, which starts last, stops first: it still answers what it has accepted.
            opened.callback(server.stop)
            server.start()
        if wait_for_answer(settings, servers, stop):
            LOG.info(
                "The model answers after %.1f s. Open %s (press Ctrl-C to stop)",
                time.monotonic() - started,
                settings.web_ui_url,
            )
            keep_running(servers, log_files(settings), stop)
        LOG.info("\nStopping …")
    return 128 + received[0]


@contextmanager
def logging_to_stdout(log_format: str) -> Iterator[None]:
    """Write what is logged to stdout."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(create_formatter(log_format, "%(message)s"))
    LOG.setLevel(logging.INFO)
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)


def check_ports(settings: Settings) -> None:
    """Raise ``ServeError`` that names the first port that can't be listened on."""
    with ExitStack() as probes:
        for setting in Settings.describe():
            if not setting.variable.endswith("_PORT"):
                continue
            port = getattr(settings, setting.variable.lower())
            host = "127.0.0.1"
            if "METRICS" in setting.variable:
                host = settings.metrics_host
            elif setting.variable == "WEBUI_PORT":
                host = settings.webui_host
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                # Each port stays taken until all are checked, so no two settings can share one.
                probes.enter_context(socket.create_server((host, port), family=family))
            except OSError as error:
                raise ServeError(
                    f"can't listen on port {port} of {host} ({error.strerror}): stop the program "
                    f"that uses it, or choose another port with {setting.variable}=PORT"
                ) from error


def web_ui(settings: Settings) -> AbstractContextManager[psutil.Popen]:
    """Run the web UI, which reads the same environment variables; it is stopped at the end."""
    _, log = log_files(settings)
    # It has another working directory.
    directories = {
        "TORCHSERVE_RUN_DIRECTORY": log.parent,
        "MODEL_STORE": settings.model_store.resolve(),
        "TEACH_DIRECTORY": settings.teach_directory.resolve(),
    }
    environment = {**os.environ, **{name: str(path) for name, path in directories.items()}}
    command = [sys.executable, "-m", "webui"]
    return running(command, log, PROJECT, environment)


if __name__ == "__main__":
    sys.exit(main())
