"""The report of the serving benchmark: medians, ratios, and what must be known to read them."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.common.machine import first_line
from benchmarks.common.memory import METHOD
from benchmarks.common.peer_environment import pins
from benchmarks.common.report import Report, mebibytes, table, versions
from benchmarks.serving.answers import Picture
from benchmarks.serving.servers import GROUP, LABELS, OURS
from benchmarks.serving.wrk import Load, find_wrk
from serving.java import find_java_home

RATIOS = ("ours ÷ its p50", "ours ÷ its p99", "ours ÷ its requests/s")
LOADS = ("connections", "server", "p50", "p99", "requests/s", *RATIOS)
MEMORY = ("memory at rest", "peak under load")
SERVERS = ("server", *MEMORY, "first answer after", "largest difference")


@dataclass(frozen=True)
class Run:
    """One server, from its start to its end.

    Attributes:
        start_seconds: time from the start to the first answer.
        difference: of its probabilities from the network's own, at most.
        memory_at_rest: of all its processes, after warming up, in bytes.
        peak_memory: of all its processes, under load, in bytes.
        loads: by the label of the picture, one for each number of connections.
    """

    start_seconds: float
    difference: float
    memory_at_rest: int
    peak_memory: int
    loads: Mapping[str, Sequence[Load]]


def make_report(
    options: argparse.Namespace,
    pictures: Sequence[Picture],
    runs: Mapping[str, Sequence[Run]],
    failures: Mapping[str, str],
) -> Report:
    """Return the report; ``runs`` are of the servers that never failed."""
    parts = []
    for picture in pictures:
        rows = [
            row
            for number in options.connections
            for row in _loads(picture.label, number, options.only, runs)
        ]
        parts += [f"## {picture.label}", table(LOADS, rows)]
    servers = [_server(name, runs.get(name, ())) for name in options.only]
    parts += ["## Memory, start and answers", table(SERVERS, servers)]
    facts = {
        "seconds": f"{options.seconds} for each load",
        "rounds": f"{options.rounds}; the figures are medians",
        "pictures": ", ".join(f"{one.label} of {len(one.data):,} bytes" for one in pictures),
        "peak memory": METHOD,
        "java": first_line(f"{find_java_home()}/bin/java", "-version"),
        "wrk": first_line(find_wrk(), "-v"),
        "peers": versions(pins(GROUP)) if set(options.only) != {OURS} else "none",
    }
    data = {name: [asdict(run) for run in values] for name, values in runs.items()}
    failed = {LABELS[name]: message for name, message in failures.items()}
    return Report("Serving", parts, {"runs": data}, facts, failed)


def _loads(
    picture: str, connections: int, names: Sequence[str], runs: Mapping[str, Sequence[Run]]
) -> list[list[str]]:
    """Return the rows of the servers for one picture and one number of connections."""
    rows, ours = [], None
    for name in names:
        row = [str(connections), LABELS[name]]
        loads = [load for run in runs.get(name, ()) for load in run.loads[picture]]
        loads = [load for load in loads if load.connections == connections]
        if not loads:
            rows.append([*row, "failed"])
            continue
        p50 = median(load.p50 for load in loads)
        p99 = median(load.p99 for load in loads)
        rate = median(load.requests_per_second for load in loads)
        row += [f"{1000 * p50:,.2f} ms", f"{1000 * p99:,.2f} ms", f"{rate:,.1f}"]
        if name == OURS:
            ours = (p50, p99, rate)
        elif ours:
            row += [f"{mine / its:.2f}" for mine, its in zip(ours, (p50, p99, rate), strict=True)]
        rows.append(row)
    return rows


def _server(name: str, runs: Sequence[Run]) -> list[str]:
    if not runs:
        return [LABELS[name], "failed"]
    return [
        LABELS[name],
        mebibytes(median(run.memory_at_rest for run in runs)),
        mebibytes(median(run.peak_memory for run in runs)),
        f"{median(run.start_seconds for run in runs):.1f} s",
        f"{max(run.difference for run in runs):.1g}",
    ]
