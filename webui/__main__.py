"""Run the web UI: ``python -m webui``."""

import argparse
import logging
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from webui import create_app
from webui.settings import Settings, SettingsError
from webui.waitress_server import create_server

EXIT_CANNOT_LISTEN = 1
EXIT_WRONG_SETTING = 2


def main() -> int:
    """Serve until SIGINT or SIGTERM.

    Returns:
        The exit status: 0 after a signal, 1 if the port is taken, 2 if a setting is wrong.
    """
    _create_parser().parse_args()
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        return _fail(str(error), EXIT_WRONG_SETTING)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # It warns about every request that waits for a thread, however briefly.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    host, port = settings.webui_host, settings.webui_port
    try:
        server = create_server(create_app(settings), host, port)
    except OSError as error:
        reason = error.strerror or error
        message = f"cannot listen on {host}:{port}: {reason}; set WEBUI_HOST or WEBUI_PORT"
        return _fail(message, EXIT_CANNOT_LISTEN)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    logging.getLogger("webui").info("The web UI is at http://%s:%d/", host, port)
    server.run()
    return 0


def _create_parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="python -m webui",
        description=(
            "Serve the web UI, which shows what the model behind TorchServe sees in a picture.\n"
            "Stop it with Ctrl-C. Start TorchServe and the web UI together with: make serve"
        ),
        epilog=_list_settings(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _list_settings() -> str:
    settings = Settings.describe()
    width = max(len(setting.variable) for setting in settings)
    lines = [
        f"  {setting.variable:<{width}}  {setting.help} (default: {setting.default})"
        for setting in settings
    ]
    return "\n".join(["environment variables:", *lines])


def _stop(_signal_number: int, _frame: FrameType | None) -> NoReturn:
    # At a SystemExit, waitress leaves its loop and lets its threads end.
    sys.exit(0)


def _fail(message: str, status: int) -> int:
    print(f"webui: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
