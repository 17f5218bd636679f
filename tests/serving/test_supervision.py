"""Programs that end, hang or do not start, and when they are started anew."""

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from serving import ServeError, supervision
from serving.supervision import (
    DEFAULTS,
    FIRST_PAUSE_SECONDS,
    LONG_ENOUGH_SECONDS,
    MARK,
    MAX_PAUSE_SECONDS,
    START_SECONDS,
    Server,
    running,
)
from tests.helpers.waiting import wait_until

Run = Callable[..., Server]
SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]
# It ignores SIGTERM, and leaves a child in a session of its own.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
print(subprocess.Popen([sys.executable, "-c", code], start_new_session=True).pid, flush=True)
time.sleep(1000)
"""


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(
        supervision, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=time.sleep)
    )
    return clock


@pytest.fixture
def create_server(tmp_path: Path) -> Iterator[Run]:
    """Return a function that makes a server of a command."""
    servers = []

    def create(command: list[str], find_patience: Callable[[], float] = lambda: math.inf) -> Server:
        log = tmp_path / "one.log"
        server = Server("It", lambda: running(command, log, tmp_path, {}), find_patience)
        servers.append(server)
        return server

    yield create
    for server in servers:
        server.stop()


def pauses(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message.rpartition(" in ")[2] for message in caplog.messages]


def test_pauses_grow_until_it_was_up_for_some_minutes(
    create_server: Run, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    server = create_server(["false"])
    server.start()
    pause = FIRST_PAUSE_SECONDS
    for _ in range(8):
        wait_until(server.has_ended)
        server.look_after()
        clock.now += min(pause, MAX_PAUSE_SECONDS) - 0.1
        server.look_after()
        assert not server.has_ended()
        clock.now += 0.2
        server.look_after()
        pause *= 2
    wait_until(server.has_ended)
    clock.now += LONG_ENOUGH_SECONDS + 1
    server.look_after()
    expected = [*(f"{2**power} s" for power in range(6)), "60 s", "60 s", "1 s"]
    assert pauses(caplog) == expected


def test_what_does_not_start_is_tried_again(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    starts = []

    @contextmanager
    def run() -> Iterator[psutil.Popen]:
        starts.append(clock.now)
        if len(starts) in {2, 3}:
            raise ServeError("no archive")
        with running(["false"], tmp_path / "one.log", tmp_path, {}) as process:
            yield process

    server = Server("It", run)
    server.start()
    wait_until(server.has_ended)
    for _ in range(80):
        server.look_after()
        clock.now += 0.1
    assert [round(start - 1000) for start in starts] == [0, 1, 3, 7]
    assert "does not start (no archive)" in caplog.text
    server.stop()


@pytest.mark.parametrize("until", [math.inf, 60, 360])
def test_what_does_not_work_is_started_anew_after_the_patience_for_its_state(
    create_server: Run, clock: Clock, caplog: pytest.LogCaptureFixture, until: float
) -> None:
    states = [math.inf]
    server = create_server(SLEEP, lambda: states[-1])
    server.start()
    clock.now += START_SECONDS + 1000
    server.look_after()
    states.append(until)
    worked = clock.now
    while clock.now - worked < 400 and "does not work" not in caplog.text:
        clock.now += 10
        server.look_after()
    assert clock.now - worked == min(until + 10, 400)


def test_a_start_may_take_longer(
    create_server: Run, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    server = create_server(SLEEP, lambda: 60)
    server.start()
    clock.now += START_SECONDS + 50
    server.look_after()
    assert pauses(caplog) == []
    clock.now += 20
    server.look_after()
    assert pauses(caplog) == ["1 s"]


def test_nothing_survives_of_what_ignores_the_request_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "STOP_SECONDS", 0.2)
    log = tmp_path / "one.log"
    other = subprocess.Popen(SLEEP, env={MARK: str(tmp_path / "other.log")})
    with running([sys.executable, "-c", STUBBORN], log, tmp_path, {}) as process:
        child = psutil.Process(int(wait_until(log.read_text)))
        assert child.is_running()
    assert process.poll() is not None
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.parametrize("chosen", [{}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=8"}])
def test_threads_share_memory_unless_the_user_decides_otherwise(
    tmp_path: Path, chosen: dict[str, str]
) -> None:
    log = tmp_path / "one.log"
    program = "import os; print(os.environ['GLIBC_TUNABLES'])"
    with running([sys.executable, "-c", program], log, tmp_path, chosen):
        assert wait_until(log.read_text).strip() in (chosen.values() or DEFAULTS.values())
