"""Run the web UI alone, until Ctrl-C or SIGTERM; `make serve` starts TorchServe as well."""

import argparse
import logging
import os
import resource
import signal
import sys
from types import FrameType

from prometheus_client import start_http_server

from webui import create_app
from webui.logs import log_to_stderr
from webui.settings import Settings, SettingsError
from webui.waitress_server import create_server, serve

# Open files: each connection may need one for its body, too.
MAX_FILES = 10_000
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> int:
    """Serve until SIGINT or SIGTERM, and then answer what was accepted.

    Returns:
        The exit status: 0 after a signal, 1 if the port is taken, 2 if a setting is wrong.
    """
    argparse.ArgumentParser(
        prog="python -m webui",
        description=__doc__,
        epilog=Settings.help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(f"webui: {error}", file=sys.stderr)
        return 2
    _allow_many_connections()
    host, port = settings.webui_host, settings.webui_port
    app = create_app(settings)
    place, variables = (host, port), "WEBUI_HOST or WEBUI_PORT"
    try:
        server = create_server(app, *place)
        place = settings.metrics_host, settings.webui_metrics_port
        variables = "METRICS_HOST or WEBUI_METRICS_PORT"
        start_http_server(addr=place[0], port=place[1], registry=app.extensions["metrics"].registry)
    except OSError as error:
        reason = f"cannot listen on {place[0]}:{place[1]}: {error.strerror}"
        print(f"webui: {reason}; set {variables}", file=sys.stderr)
        return 1
    log_to_stderr(settings.log_format)
    stopping = app.extensions["admission"].stopping

    def stop(_signal_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        server.pull_trigger()
        # A second signal ends it at once.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    for number in SIGNALS:
        signal.signal(number, stop)
    logging.getLogger("webui").info("The web UI is at http://%s:%d/", host, port)
    serve(server, stopping)
    return 0


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < MAX_FILES:
        wanted = min(MAX_FILES, hard) if hard >= 0 else MAX_FILES
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    STATUS = main()
    # Threads that still wait for TorchServe must not delay the end.
    os._exit(STATUS)
