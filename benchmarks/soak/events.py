"""What happens to the server while it answers, and which failures that excuses."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import urllib3

from benchmarks.common.programs import ProgramError, find_processes
from benchmarks.common.server import ARCHIVES, Server, deploy
from benchmarks.soak.load import Load
from webui.settings import Settings
from webui.torchserve.client import READY
from webui.torchserve.keys import KeyName, Keys

DISK = "256m"
# Most seconds in which a killed process is replaced, and those for which the disk is full.
WHOLE_SECONDS, FULL_SECONDS = 60, 30
# Number of the last answers among which that of a new process is looked for.
LAST = 500


class Site(NamedTuple):
    """What events happen to: the server, its ``serve.py``, what is sent to it, and its disk.

    The disk may be full for ``full_seconds``.
    """

    server: Server
    serve_pid: int
    load: Load
    disk: Path
    full_seconds: float

    def manage(self, path: str, key: KeyName = "management") -> urllib3.BaseHTTPResponse:
        """Ask TorchServe's management interface."""
        settings = Settings.from_environment(self.server.environment)
        headers = {"Authorization": f"Bearer {Keys(settings.key_file).read(key)}"}
        return urllib3.request("GET", settings.management_url + path, headers=headers, timeout=10)

    def find_workers(self) -> dict[int, str]:
        """Return the states of the workers of the version that answers, by their ids."""
        (version,) = self.manage("/models/cifar10").json()
        return {worker["pid"]: worker["status"] for worker in version["workers"]}


def _wait(is_whole: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WHOLE_SECONDS
    while not is_whole():
        if time.monotonic() > deadline:
            raise ProgramError(f"it was not whole again after {WHOLE_SECONDS} s")
        time.sleep(0.02)


def _kill(site: Site, program: str, doors: str) -> None:
    """Kill a process, and wait for an answer by doors whose names begin with ``doors``."""
    (process,) = find_processes(site.serve_pid, program)
    process.kill()
    process.wait(WHOLE_SECONDS)
    killed = time.monotonic()

    def is_whole() -> bool:
        versions = (
            one.outcome[0].isdigit()
            for one in site.load.answers[-LAST:]
            if one.sent > killed and one.kind.startswith(doors)
        )
        return any(versions)

    _wait(is_whole)


def _kill_worker(site: Site) -> None:
    before = site.find_workers()
    killed = min(before)
    psutil.Process(killed).kill()

    def is_whole() -> bool:
        now = site.find_workers()
        return killed not in now and [*now.values()] == [READY] * len(before)

    _wait(is_whole)


def _fill_disk(site: Site) -> None:
    filling = site.disk / "filling"
    with filling.open("wb", buffering=0) as file:
        end = time.monotonic() + site.full_seconds
        while time.monotonic() < end:
            # What others give back is taken, too.
            with suppress(OSError):
                while file.write(bytes(65_536)):
                    pass
            time.sleep(0.05)
        free = shutil.disk_usage(site.disk).free
    filling.unlink()
    if free:
        raise ProgramError(f"{free} bytes were free")


def _renew_keys(site: Site) -> None:
    for name in ("management", "inference"):
        if (status := site.manage(f"/token?type={name}", "API").status) != 200:  # noqa: PLR2004
            raise ProgramError(f"TorchServe answers {status}")


class Event(NamedTuple):
    """Something that happens to the server.

    Attributes:
        name: What the report calls it.
        happen: What does it, and returns once everything is as before.
        excused: Pattern of answers, as ``kind: outcome``, that it excuses while it lasts.
        version: The version that answers afterwards, if that changes.
    """

    name: str
    happen: Callable[[Site], object]
    excused: str = "nothing"
    version: str = ""


# The restarts are early, so that processes have time to grow afterwards. A killed worker takes its
# batch with it, which only the page sends again.
EVENTS = (
    Event("deploy", lambda site: deploy(site.server, str(ARCHIVES["1.0"])), version="3.0"),
    Event("Java killed", lambda site: _kill(site, "java", ""), ".*: none"),
    Event("rollback", lambda site: deploy(site.server, "--rollback"), version="2.0"),
    Event("worker killed", _kill_worker, "REST, .*: none: 50[07] InternalServerException"),
    Event("page killed", lambda site: _kill(site, "webui", "page"), "page, .*: none"),
    Event("disk full", _fill_disk),
    Event("keys renewed", _renew_keys),
)


@contextmanager
def small_disk() -> Iterator[tuple[Path, bool]]:
    """Make a folder, on a file system of its own where that is allowed, and say whether it is."""
    with tempfile.TemporaryDirectory() as directory:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "soak", directory]
        is_own = bool(shutil.which("mount")) and not subprocess.run(mount, check=False).returncode
        try:
            yield Path(directory), is_own
        finally:
            if is_own:
                subprocess.run(("umount", "--lazy", directory), check=True)  # noqa: S607
