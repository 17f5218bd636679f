"""Run the web UI alone, until Ctrl-C or SIGTERM; `make serve` starts TorchServe as well."""

import argparse
import os
import resource
import signal
import sys
from types import FrameType

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
    try:
        server = create_server(app, host, port)
    except OSError as error:
        reason = f"cannot listen on {host}:{port}: {error.strerror}"
        print(f"webui: {reason}; set WEBUI_HOST or WEBUI_PORT", file=sys.stderr)
        return 1
    log_to_stderr()
    stopping = app.extensions["admission"].stopping

    def stop(_signal_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        server.pull_trigger()
        # A second signal ends it at once.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    for number in SIGNALS:
        signal.signal(number, stop)
    print(f"The web UI is at http://{host}:{port}/", file=sys.stderr)
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
