"""The result of the serving benchmark: medians, ratios, JSON, and tables for people to read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.load import Load
from benchmarks.memory import METHOD
from benchmarks.report import count, versions

OURS = "ours"
MILLISECONDS = 1000


@dataclass(frozen=True)
class Run:
    """One server, from its start to its end.

    Attributes:
        start_seconds: from the start to the first answer.
        difference: of its probabilities from the net's own, at most.
        memory_at_rest: of all its processes, after warming up, in bytes.
        peak_memory: of all its processes, under load, in bytes.
        loads: by the name of the picture, one for each number of connections.
    """

    start_seconds: float
    difference: float
    memory_at_rest: int
    peak_memory: int
    loads: Mapping[str, Sequence[Load]]


@dataclass(frozen=True)
class Figures:
    """The medians over the rounds for one server, picture and number of connections.

    Attributes:
        p50: seconds.
        p99: seconds.
        requests_per_second: above 0.
    """

    p50: float
    p99: float
    requests_per_second: float

    def divided_by(self, other: "Figures") -> "Figures":
        """Return the ratios of these figures to another server's."""
        return Figures(
            self.p50 / other.p50,
            self.p99 / other.p99,
            self.requests_per_second / other.requests_per_second,
        )


@dataclass(frozen=True)
class Settings:
    """How it was measured.

    Attributes:
        pictures: what the tables call them, by name.
        picture_bytes: their sizes, by name.
        connections: numbers of them.
        seconds: of each load.
        date: as YYYY-MM-DD.
    """

    pictures: Mapping[str, str]
    picture_bytes: Mapping[str, int]
    connections: Sequence[int]
    seconds: int
    rounds: int
    date: str
    commit: str


@dataclass(frozen=True)
class Result:
    """Everything that one benchmark found out.

    Attributes:
        labels: of the servers that were asked for, by name, in order.
        runs: of each server; of one that failed, those that it finished.
        failures: why a server failed, by its name.
        machine: what it ran on, by name.
        software: versions of ours and of the tools.
        peer_software: versions of what the peers' dependency group names.
        peer_packages: versions of everything in the peers' environment.
    """

    settings: Settings
    labels: Mapping[str, str]
    runs: Mapping[str, Sequence[Run]]
    failures: Mapping[str, str]
    machine: Mapping[str, str]
    software: Mapping[str, str]
    peer_software: Mapping[str, str]
    peer_packages: Mapping[str, str]

    def measured(self, name: str) -> bool:
        """Whether a server's figures count: a server that failed once has none."""
        return name not in self.failures and bool(self.runs.get(name))

    def figures(self, name: str, picture: str, connections: int) -> Figures | None:
        """Return a server's medians; None where it failed."""
        if not self.measured(name):
            return None
        loads = [
            load
            for run in self.runs[name]
            for load in run.loads[picture]
            if load.connections == connections
        ]
        return Figures(
            median(load.p50 for load in loads),
            median(load.p99 for load in loads),
            median(load.requests_per_second for load in loads),
        )

    def ratios(self, name: str, picture: str, connections: int) -> Figures | None:
        """Return our figures divided by a peer's; None where one of the two failed."""
        ours = self.figures(OURS, picture, connections)
        peer = self.figures(name, picture, connections)
        return ours.divided_by(peer) if ours and peer and name != OURS else None


def to_json(result: Result) -> dict[str, Any]:
    """Return all of it, each load of each round included, as JSON takes it."""
    summaries = []
    for picture in result.settings.pictures:
        for connections in result.settings.connections:
            for name in result.labels:
                figures = result.figures(name, picture, connections)
                ratios = result.ratios(name, picture, connections)
                summaries.append(
                    {
                        "picture": picture,
                        "connections": connections,
                        "server": name,
                        "medians": asdict(figures) if figures else None,
                        "ours_divided_by_it": asdict(ratios) if ratios else None,
                    }
                )
    return {
        "settings": asdict(result.settings),
        "machine": dict(result.machine),
        "software": dict(result.software),
        "peer_packages": dict(result.peer_packages),
        "memory_method": METHOD,
        "summaries": summaries,
        "servers": [
            {
                "name": name,
                "label": label,
                "failure": result.failures.get(name),
                "runs": [asdict(run) for run in result.runs.get(name, ())],
            }
            for name, label in result.labels.items()
        ],
    }


def to_markdown(result: Result) -> str:
    """Return the tables and what must be known to read them."""
    lines = [f"# Serving, measured on {result.settings.date}", ""]
    for picture, label in result.settings.pictures.items():
        lines += [f"## {label}", "", *_load_table(result, picture), ""]
    lines += [
        "## Memory, start and answers",
        "",
        *_server_table(result),
        "",
        *(f"- {line}" for line in _reading(result)),
        "",
        "## Where and with what",
        "",
        *(f"- {name}: {value}" for name, value in result.machine.items()),
        f"- commit: {result.settings.commit}",
        f"- here: {versions(result.software)}",
    ]
    if result.peer_software:
        lines.append(f"- peers: {versions(result.peer_software)}")
    for name, message in result.failures.items():
        lines += ["", f"## Failed: {result.labels[name]}", "", "```", message, "```"]
    return "\n".join(lines) + "\n"


def _load_table(result: Result, picture: str) -> list[str]:
    rows = [
        (
            "| connections | server | p50 | p99 | requests/s | ours ÷ its p50 | ours ÷ its p99 "
            "| ours ÷ its requests/s |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for connections in result.settings.connections:
        for name, label in result.labels.items():
            figures = result.figures(name, picture, connections)
            if figures is None:
                rows.append(f"| {connections} | {label} | failed | | | | | |")
                continue
            ratios = result.ratios(name, picture, connections)
            cells = [
                str(connections),
                label,
                f"{figures.p50 * MILLISECONDS:,.2f} ms",
                f"{figures.p99 * MILLISECONDS:,.2f} ms",
                f"{figures.requests_per_second:,.{0 if figures.requests_per_second > 100 else 1}f}",  # noqa: PLR2004
            ]
            cells += [f"{value:.2f}" for value in asdict(ratios).values()] if ratios else [""] * 3
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def _server_table(result: Result) -> list[str]:
    rows = [
        "| server | memory at rest | peak under load | first answer after | largest difference |",
        "|---|---|---|---|---|",
    ]
    for name, label in result.labels.items():
        if not result.measured(name):
            rows.append(f"| {label} | failed | | | |")
            continue
        runs = result.runs[name]
        cells = (
            label,
            f"{median(run.memory_at_rest for run in runs) / 2**20:,.0f} MiB",
            f"{median(run.peak_memory for run in runs) / 2**20:,.0f} MiB",
            f"{median(run.start_seconds for run in runs):.1f} s",
            f"{max(run.difference for run in runs):.1g}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _reading(result: Result) -> list[str]:
    settings = result.settings
    sizes = [
        f"{label}: {settings.picture_bytes[name]:,} bytes"
        for name, label in settings.pictures.items()
    ]
    return [
        "One server after another, each loaded by wrk on the same machine.",
        f"{settings.seconds} s for each load; medians over {count(settings.rounds, 'round')}.",
        "Ratios are ours divided by the peer's: below 1 we answer sooner, above 1 we answer more.",
        f"The same weights and the same pictures for all. {'; '.join(sizes)}.",
        "Largest difference: of the probabilities from the net's own, before the load.",
        f"Memory: {METHOD}. At rest: after the warm-up, without those peaks.",
    ]
