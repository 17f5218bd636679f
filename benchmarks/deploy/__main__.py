"""Deploy a version, go back, and deploy another, while clients of TorchServe and of the page send.

No request may fail, and what is sent after a switch must be answered by the version that was
chosen. The server is started as `make serve` starts it, on ports of its own, with a copy of the
shipped archives. A failed request is not sent again.

  python -m benchmarks.deploy                          20,000 requests, a minute or two
  python -m benchmarks.deploy --requests 500 --output /tmp/trial.md    does it work?
"""

import argparse
import time
from collections import Counter
from typing import NamedTuple

from benchmarks.common.command import Command, option
from benchmarks.common.pictures import small_picture
from benchmarks.common.report import Report, table, waits
from benchmarks.common.server import ARCHIVES, Server, deploy, our_server
from benchmarks.deploy.load import Answer, Load

# Number of clients, and the number of these of which one sends to the page.
CLIENTS, CLIENTS_A_PAGE = 8, 4
OPTIONS = (option("--requests", "requests to send at least", 20_000),)
DEPLOY, ROLLBACK = (str(ARCHIVES["1.0"]),), ("--rollback",)
# What is done, and the versions that answer afterwards.
STEPS = (("deploy", DEPLOY, "3.0"), ("rollback", ROLLBACK, "2.0"), ("deploy", DEPLOY, "4.0"))


class Phase(NamedTuple):
    """A time with a name, which versions may answer in it, and what the requests of it got."""

    name: str
    versions: set[str]
    answers: list[Answer]

    def faults(self) -> Counter[str]:
        """Return what was answered that must not be."""
        return Counter(one.version for one in self.answers if one.version not in self.versions)

    def row(self) -> tuple[str, ...]:
        """Return the row of the report's table."""
        return (
            self.name,
            f"{len(self.answers):,}",
            f"{self.faults().total():,}",
            ", ".join(sorted(self.versions)),
            *waits(one.seconds for one in self.answers),
        )


def measure(options: argparse.Namespace) -> Report:
    """Send the requests, and change the version meanwhile."""
    with our_server() as server:
        return make_report(change_versions(server, options.requests))


def change_versions(server: Server, requests: int) -> list[Phase]:
    """Do the steps at even distances, counted in ``requests``, which are all."""
    page = f"{server.web_ui}predict", {**server.headers, "Accept": "application/json"}
    targets = [
        (server.url, server.headers) if number % CLIENTS_A_PAGE else page
        for number in range(CLIENTS)
    ]
    begun, times, phases = time.monotonic(), [], []
    with Load(targets, small_picture()) as load:
        for number, (_, arguments, _) in enumerate(STEPS, 1):
            _wait_for(load, number * requests // (len(STEPS) + 1))
            step = time.monotonic()
            print(deploy(server, *arguments), flush=True)
            times.append((step, time.monotonic()))
        _wait_for(load, requests)
    before, version = begun, "2.0"
    for (name, _, next_version), (begin, end) in zip(STEPS, times, strict=True):
        phases.append(Phase(f"{version} answers", {version}, load.between(before, begin)))
        both = {version, next_version}
        phases.append(Phase(f"{name} to {next_version}", both, load.between(begin, end)))
        before, version = end, next_version
    last = load.between(before, time.monotonic())
    return [*phases, Phase(f"{version} answers", {version}, last)]


def _wait_for(load: Load, requests: int) -> None:
    while len(load.answers) < requests:
        time.sleep(0.1)


def make_report(phases: list[Phase]) -> Report:
    """Return the report, with the faults of each phase among its failures."""
    faults = {phase.name: repr(dict(phase.faults())) for phase in phases if phase.faults()}
    total = sum(len(phase.answers) for phase in phases)
    failed = sum(phase.faults().total() for phase in phases)
    header = ("phase", "requests", "failed", "may answer", "median", "99 of 100", "slowest")
    rows = [phase.row() for phase in phases]
    parts = [
        f"Of {total:,} requests, {failed:,} failed or were answered by another version.",
        table(header, rows),
    ]
    return Report("Deploy under load", parts, {"phases": rows}, {}, faults)


COMMAND = Command("deploy", __doc__, OPTIONS, measure, needs_quiet=False)

if __name__ == "__main__":
    COMMAND.main()
