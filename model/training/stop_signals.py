"""Signals that stop a training, such as Ctrl-C, which are handled between two steps."""

import signal
from types import FrameType
from typing import Self

from model.training.distributed import ProcessGroup

# Signals that ask a training to stop.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):  # noqa: N818
    """A signal stopped the training, after everything was saved.

    Args:
        signal_number: number of the signal.

    Attributes:
        exit_code: the exit code that a shell expects of a command that the signal stopped.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


class StopSignals:
    """Remembers the first stop signal while entered, so that it doesn't kill the process.

    A signal that was ignored before, as SIGHUP is under ``nohup``, stays ignored.

    Attributes:
        received: number of the first signal, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._earlier: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._earlier[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def raise_if_received(self, process_group: ProcessGroup) -> None:
        """Stop all processes where one of them has received a signal; everything must be saved.

        Raises:
            Stopped: there was a signal.
        """
        signal_number = process_group.maximum(self.received)
        if signal_number:
            raise Stopped(signal_number)

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self.received = self.received or number
