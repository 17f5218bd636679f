"""Serve for an hour in which everything happens: a deploy, kills, a full disk, renewed keys.

The server is started as `make serve` starts it, on ports of its own, with a copy of the shipped
archives, on a disk of its own. Pictures of every format, whole and damaged ones, are sent to it at
a steady rate: to TorchServe, and to the page for JSON, for a page, and in both of KServe's
protocols. No answer may be wrong, none may fail but those of a killed process, until the one in its
place answers, and no process may grow by more than 5 %.

  python -m benchmarks.soak                                             an hour
  python -m benchmarks.soak --minutes 3 --output /tmp/trial.md          does it work?
  unshare --map-root-user --mount python -m benchmarks.soak             without root, which it
                                                                        takes to make the disk
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from benchmarks.common.command import Command, option
from benchmarks.common.programs import WORKER, find_processes, process_memory, repeatedly
from benchmarks.common.report import Report
from benchmarks.common.server import our_server
from benchmarks.soak.events import EVENTS, FULL_SECONDS, Event, Site, small_disk
from benchmarks.soak.load import Load
from benchmarks.soak.verdict import Happened, Sample, make_report

# Processes whose memory is watched, by what they run.
WATCHED = {"Java": "java", "workers": WORKER, "page": "webui", "serve.py": "serve.py"}
SAMPLE_SECONDS, PROGRESS_SECONDS = 5, 300
OPTIONS = (
    option("--minutes", "how long it takes", 60),
    option("--rate", "requests a second", 50),
)


def measure(options: argparse.Namespace) -> Report:
    """Let everything happen, and report what came of it."""
    with small_disk() as (folder, is_own), our_server(folder=folder) as server:
        serve_pid = psutil.Process(server.pid).ppid()
        apart = 60 * options.minutes / (len(EVENTS) + 1)
        load = Load(server, options.rate)
        site = Site(server, serve_pid, load, folder, min(FULL_SECONDS, apart / 2))
        with load, watch(serve_pid) as samples:
            begun = time.monotonic()
            happened = [
                let_happen(event, site, begun, begun + number * apart)
                for number, event in enumerate(EVENTS, 1)
                if is_own or event.name != "disk full"
            ]
            wait_until(begun + 60 * options.minutes, load)
    return make_report(load.answers, happened, samples, options.minutes, has_disk=is_own)


def let_happen(event: Event, site: Site, begun: float, due: float) -> Happened:
    """Wait until an event is due, let it happen, and say so."""
    wait_until(due, site.load)
    failure, begin = "", time.monotonic()
    try:
        event.happen(site)
    except Exception as error:  # noqa: BLE001
        # Whatever goes wrong is a finding, and the run goes on.
        failure = repr(error)
    end = time.monotonic()
    print(
        f"minute {(begin - begun) / 60:.1f}: {event.name}, {end - begin:.1f} s {failure}",
        flush=True,
    )
    return Happened(event, begin, end, failure)


def wait_until(due: float, load: Load) -> None:
    """Wait, and say every few minutes how it goes."""
    while (left := due - time.monotonic()) > 0:
        time.sleep(min(left, PROGRESS_SECONDS))
        bad = sum(one.outcome.startswith(("none", "wrong")) for one in load.answers)
        print(f"{len(load.answers):,} requests, {bad:,} without a right answer", flush=True)


@contextmanager
def watch(pid: int) -> Iterator[dict[str, list[Sample]]]:
    """Sample the memory of each kind of process while the context is entered."""
    samples: dict[str, list[Sample]] = {kind: [] for kind in WATCHED}

    def take_samples() -> None:
        for kind, name in WATCHED.items():
            # One may end just now.
            with suppress(psutil.Error):
                found = {one.pid: process_memory(one) for one in find_processes(pid, name)}
                samples[kind].append(Sample(time.monotonic(), (*found,), sum(found.values())))

    with repeatedly(take_samples, SAMPLE_SECONDS):
        yield samples


COMMAND = Command("soak", __doc__, OPTIONS, measure)

if __name__ == "__main__":
    COMMAND.main()
