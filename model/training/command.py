"""How ``train.py`` ends: signals, exit codes and the one line that says what happened."""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Self

from model.command_line import CommandError, tolerate_any_encoding
from model.training.config import Config
from model.training.distributed import ProcessGroup
from model.training.options import parse_config

# Signals that ask a training to stop.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):  # noqa: N818
    """A signal stopped the training, after everything was saved.

    Attributes:
        exit_code: The exit code that a shell expects of a command that the signal stopped.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


class StopSignals:
    """Remembers the first stop signal while entered, so that it doesn't kill the process.

    A signal that was ignored before, as SIGHUP is under ``nohup``, stays ignored.

    Attributes:
        received: Number of the first signal, or 0.
    """

    def __init__(self) -> None:
        self.received = 0

    def __enter__(self) -> Self:
        heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._earlier = {number: signal.signal(number, self._remember) for number in heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self.received = self.received or number


def run_training(
    train: Callable[[Config, Path | None, ProcessGroup], None], arguments: Sequence[str] | None
) -> int:
    """Parse the command line, train, and turn every way to end into an exit code.

    Args:
        train: Gets the configuration, the run that is resumed, if one is, and the processes.
        arguments: The command line; None for ``sys.argv``.

    Returns:
        The exit code: 0 for success, 1 where a file can't be read or written, 2 for settings or
        data that can't be used, and 128 plus the number of the signal that stopped the training.
    """
    tolerate_any_encoding()
    # Until here, Ctrl-C ended the program at once; see the beginning of train.py.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    processes = ProcessGroup.from_environment()
    resume: Path | None = None
    try:
        config, resume = parse_config(arguments)
        with contextlib.nullcontext() if processes.is_first else contextlib.redirect_stdout(None):
            train(config, resume, processes)
    except CommandError as error:
        message, exit_code = f"error: {error}", 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        reason = f"error: {place}{error.strerror or error}. Fix this, then run"
        message, exit_code = f"{reason}: {_command_to_continue(error, resume)}", 1
    except Stopped as stopped:
        if not processes.is_first:
            return stopped.exit_code
        command = _command_to_continue(stopped, resume)
        message = f"stopped by {stopped}; everything is saved. To continue, run: {command}"
        exit_code = stopped.exit_code
    except KeyboardInterrupt as error:
        message = f"interrupted. To continue, run: {_command_to_continue(error, resume)}"
        exit_code = 130
    else:
        return 0
    print(f"train.py: {message}", file=sys.stderr)
    return exit_code


def _command_to_continue(ended_by: BaseException, resume: Path | None) -> str:
    """Return the command that resumes the run, or starts it again where it has no folder yet."""
    program = "torchrun ..." if "TORCHELASTIC_RUN_ID" in os.environ else "python"
    run = getattr(ended_by, "run", resume)
    if run is None:
        return f"{program} train.py, with the same options"
    return f"{program} train.py --resume {shlex.quote(str(run))}"
