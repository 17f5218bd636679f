"""Runs programs, starts them anew when they fail, and leaves nothing of them behind."""

import logging
import math
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from prometheus_client import Counter, Gauge

from serving import ServeError

# Environment variable that marks a program and all that it starts with the program's log. Unlike a
# process ID, it never becomes another program's.
MARK = "SERVE_PY_LOG"
# Variables of every program, unless the user sets them. The C library gives threads memory of their
# own, and what is freed there helps no other thread: with it, the web UI grew by 1 MiB a minute.
DEFAULTS = {"GLIBC_TUNABLES": "glibc.malloc.arena_max=2:glibc.malloc.tcache_count=0"}
# Seconds that a program has after SIGTERM before it is killed. The web UI takes at most 20, to
# answer what it has accepted.
STOP_SECONDS = 25.0
# Size at which a log becomes the one old log that is kept.
MAX_LOG_BYTES = 10_000_000
# Seconds between two questions whether a program works.
CHECK_SECONDS = 10
# Seconds that a program has from its start until it works.
START_SECONDS = 180
# Seconds before a program is started anew; they double each time, unless it was up long enough.
FIRST_PAUSE_SECONDS = 1
MAX_PAUSE_SECONDS = 60
LONG_ENOUGH_SECONDS = 300

LOG = logging.getLogger(__name__)
RESTARTS = Counter("serve_restarts", "How often a server was started anew.", ["server"])
WORKING = Gauge("serve_working", "Whether a server runs and works: 1 or 0.", ["server"])


@dataclass
class Server:
    """A program that is started anew, after a growing pause, when it has ended or does not work.

    Attributes:
        name: What messages call it.
        run: What starts it, and stops it at the end.
        find_patience: What says for how many seconds it may stay as it is; ``inf`` if it works.
    """

    name: str
    run: Callable[[], AbstractContextManager[psutil.Popen]]
    find_patience: Callable[[], float] = lambda: math.inf
    _running: ExitStack = field(default_factory=ExitStack)
    _process: psutil.Popen | None = None
    _pause: float = 0
    _started: float = 0
    _worked: float = 0
    _due: float = 0

    def start(self) -> None:
        """Start the program."""
        # From the start there is a 0, which the first restart is seen to raise.
        RESTARTS.labels(self.name)
        self._started = self._due = time.monotonic()
        self._worked = self._started + START_SECONDS
        self._process = self._running.enter_context(self.run())

    def stop(self) -> None:
        """Stop the program, and everything it has started."""
        self._process = None
        self._running.close()

    def has_ended(self) -> bool:
        """Say whether the program has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def look_after(self) -> None:
        """Stop the program if it has failed, and start it anew once its pause is over."""
        now = time.monotonic()
        if self.has_ended():
            self._put_off("ended by itself")
        elif now < self._due:
            return
        elif self._process is None:
            try:
                self.start()
            except (ServeError, OSError) as error:
                self._put_off(f"does not start ({error})")
        else:
            self._due = now + CHECK_SECONDS
            patience = self.find_patience()
            WORKING.labels(self.name).set(patience == math.inf)
            if patience == math.inf:
                self._worked = now
            elif now - self._worked > patience:
                self._put_off("does not work")

    def _put_off(self, failure: str) -> None:
        was_sound = time.monotonic() - self._started > LONG_ENOUGH_SECONDS
        pause = FIRST_PAUSE_SECONDS if was_sound else 2 * self._pause
        self._pause = min(max(pause, FIRST_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
        LOG.warning("%s %s; it starts anew in %.0f s", self.name, failure, self._pause)
        WORKING.labels(self.name).set(0)
        RESTARTS.labels(self.name).inc()
        self.stop()
        self._due = time.monotonic() + self._pause


def keep_running(servers: Sequence[Server], logs: Sequence[Path], stop: threading.Event) -> None:
    """Start servers anew when they fail, and limit their logs, until ``stop`` is set."""
    while not stop.wait(0.5):
        for server in servers:
            server.look_after()
        for log in logs:
            limit_size(log)


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    directory: Path,
    environment: Mapping[str, str],
) -> Iterator[psutil.Popen]:
    """Run a command in a session of its own; at the end, stop it and everything it started.

    Args:
        command: The program and its arguments.
        log: The file that its output is appended to.
        directory: Its working directory.
        environment: Its environment variables.
    """
    with log.open("ab") as output:
        process = psutil.Popen(
            command,
            cwd=directory,
            env={**DEFAULTS, **environment, MARK: str(log)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end_marked(log)
        # Only the object's own question makes it notice the end.
        process.poll()


def end_marked(log: Path) -> None:
    """Ask the program with this log and all that it started to end, and kill what does not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        processes = list(_marked(psutil.process_iter(), log))
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + STOP_SECONDS
        while processes and time.monotonic() < deadline:
            time.sleep(0.02)
            processes = list(_marked(processes, log))


def _marked(processes: Iterable[psutil.Process], log: Path) -> Iterator[psutil.Process]:
    for process in processes:
        # It may have ended, or be another user's.
        with suppress(psutil.Error, OSError):
            if process.uids().real == os.getuid() and process.environ().get(MARK) == str(log):
                yield process


def limit_size(log: Path) -> None:
    """Move the content of a log that has become too large to the one old log that is kept."""
    with suppress(OSError):
        if log.stat().st_size > MAX_LOG_BYTES:
            # The program has opened it to append, and writes on from the new end.
            with suppress(OSError):
                shutil.copyfile(log, log.with_suffix(".old.log"))
            os.truncate(log, 0)
