"""Compare our TorchServe with FastAPI and ONNX Runtime, the fastest of its peers.

Each server is started on this machine, one after another: ours with the shipped archives and
configuration, and FastAPI with the archive's float32 graph; for version 2.0 also with the quantised
one, which ours takes where the processor is quick at it. All must give the same answers. Then wrk
loads each, and the report tells the time to an answer (p50, p99), requests a second and memory,
with ratios to ours. The peers get a virtual environment of their own below .venv-benchmarks/ in the
first run. Nothing else should run meanwhile.

  python -m benchmarks.serving                     to measure: half an hour, nothing else
  python -m benchmarks.serving --only ours fastapi --pictures png     beside the fastest peer alone
  python -m benchmarks.serving --rounds 1 --seconds 2 --warm-up 1 --output /tmp/trial.md
                                                   does it work?
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from PIL import ImageOps

from benchmarks.common.command import Command, option
from benchmarks.common.peer_environment import pins
from benchmarks.common.pictures import encode, large_picture, ship, small_picture
from benchmarks.common.programs import (
    MEMORY_METHOD,
    ProgramError,
    take_turns,
    tree_memory,
    watch_memory,
)
from benchmarks.common.report import Report, first_line, mebibytes, table
from benchmarks.common.server import ARCHIVES, Server, ask, wait_until_ready
from benchmarks.serving.servers import (
    GROUP,
    LABELS,
    OURS,
    load_expected,
    start,
    write_network,
)
from benchmarks.serving.wrk import Load, find_wrk, put_load, wait_until_idle
from model.command_line import whole_number
from model.inference.classifier import Classifier
from serving.java import find_java_home

WARM_UP_CONNECTIONS = 8
RATIOS = ("ours ÷ its p50", "ours ÷ its p99", "ours ÷ its requests/s")
LOADS = ("connections", "server", "p50", "p99", "requests/s", *RATIOS)
MEMORY = ("memory at rest", "peak under load")
SERVERS = ("server", *MEMORY, "first answer after", "largest difference")


class Picture(NamedTuple):
    """A file to send, its name in the tables, and how far off a probability may be.

    A JPEG may be decoded at a reduced scale, which changes the pixels a little.
    """

    label: str
    data: bytes
    tolerance: float = 0.01


@dataclass(frozen=True)
class Run:
    """One server, from its start to its end.

    Attributes:
        start_seconds: Time from the start to the first answer.
        difference: Of its probabilities from the network's own, at most.
        memory_at_rest: Of all its processes, after warming up, in bytes.
        peak_memory: Of all its processes, under load, in bytes.
        loads: By the label of the picture, one for each number of connections.
    """

    start_seconds: float
    difference: float
    memory_at_rest: int
    peak_memory: int
    loads: Mapping[str, Sequence[Load]]


PICTURES: dict[str, Callable[[], Picture]] = {
    "png": lambda: Picture("32×32 PNG", small_picture()),
    "jpeg": lambda: Picture("12-megapixel JPEG", large_picture(), tolerance=0.05),
}
OPTIONS = (
    option("--only", "start these alone (default: all)", LABELS, nargs="+", choices=LABELS),
    option(
        "--pictures",
        "png: 32×32 pixels; jpeg: 12 megapixels (default: both)",
        PICTURES,
        nargs="+",
        choices=PICTURES,
    ),
    option(
        "--connections",
        "connections that are open at once, one load for each number (default: 1 8 32)",
        [1, 8, 32],
        nargs="+",
        type=whole_number(),
        metavar="N",
    ),
    option(
        "--model-version",
        "version of the shipped model that all servers serve (default: %(default)s)",
        next(iter(ARCHIVES)),
        choices=ARCHIVES,
    ),
    option("--seconds", "seconds of each load", 8),
    # Java compiles what has run ten thousand times.
    option("--warm-up", "seconds of load before, for each picture", 10),
    option("--rounds", "times that each server is started, in turns", 3),
)


def measure(options: argparse.Namespace) -> Report:
    """Run every server that was asked for, in every round."""
    find_wrk()
    # In order, and once each.
    options.connections = sorted(set(options.connections))
    version = options.model_version
    # Only version 2.0 has a quantised graph.
    left_out = {"fastapi-int8"} if version == "1.0" else set()
    options.only = [name for name in LABELS if name in {*options.only} - left_out]
    pictures = [make() for name, make in PICTURES.items() if name in options.pictures]
    archive = ARCHIVES[version]
    with tempfile.TemporaryDirectory() as directory:
        if options.only != [OURS]:
            write_network(archive, Path(directory))

        def run(name: str, _round: int) -> Run:
            network = load_expected(name, archive)
            with start(name, version, Path(directory)) as server:
                return measure_server(server, pictures, network, options)

        contestants = {name: partial(run, name) for name in options.only}
        runs, failures = take_turns(contestants, options.rounds)
    return make_report(options, pictures, runs, failures)


def measure_server(
    server: Server, pictures: Sequence[Picture], network: Classifier, options: argparse.Namespace
) -> Run:
    """Check a server's answers, warm it up, and load it; raises ``ProgramError`` if it fails."""
    start_seconds = wait_until_ready(server.request(pictures[0].data), server.pid)
    checked = [*questions(), *pictures]
    difference = max(check_answer(server, picture, network) for picture in checked)
    for picture in pictures:
        load_without_errors(server, picture, WARM_UP_CONNECTIONS, options.warm_up)
    at_rest = tree_memory(server.pid)
    loads: dict[str, list[Load]] = {picture.label: [] for picture in pictures}
    with watch_memory(server.pid) as samples:
        for picture in pictures:
            for connections in options.connections:
                load = load_without_errors(server, picture, connections, options.seconds)
                loads[picture.label].append(load)
                print(f"{picture.label}, {load}", flush=True)
    return Run(start_seconds, difference, at_rest, max(samples), loads)


def questions() -> list[Picture]:
    """Return PNGs with different answers, to compare what servers answer."""
    small = ship().resize((32, 32))
    corner = small.crop((0, 0, 16, 16)).resize((32, 32))
    images = (small, ImageOps.flip(small), ImageOps.invert(small), corner)
    return [Picture("32×32 PNG", encode(image)) for image in images]


def check_answer(server: Server, picture: Picture, network: Classifier) -> float:
    """Return how far the probabilities are off at most; ``ProgramError`` where that is too far."""
    given, expected = ask(server.request(picture.data)), network.classify(picture.data)
    probabilities, wanted = given.get("probabilities"), expected["probabilities"]
    if not isinstance(probabilities, dict) or probabilities.keys() != wanted.keys():
        raise ProgramError("its answers are wrong: they lack the probabilities of the classes")
    difference = np.abs([probabilities[name] - wanted[name] for name in wanted]).max()
    # NaN must not pass for a small difference.
    if not difference <= picture.tolerance or given.get("label") != expected["label"]:
        raise ProgramError(
            f"its answers are wrong: {given.get('label')!r} for the {picture.label}, where "
            f"{expected['label']!r} is right; probabilities differ by {difference:.3f}"
        )
    return float(difference)


def load_without_errors(server: Server, picture: Picture, connections: int, seconds: int) -> Load:
    """Load a server, wait until it is idle, and raise ``ProgramError`` if one request failed."""
    load = put_load(server.request(picture.data), connections, seconds)
    wait_until_idle(server.pid)
    if load.errors:
        raise ProgramError(f"errors under load: {load.errors} ({picture.label}, {load})")
    return load


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
            for row in _load_rows(picture.label, number, options.only, runs)
        ]
        parts += [f"## {picture.label}", table(LOADS, rows)]
    servers = [_server_row(name, runs.get(name, ())) for name in options.only]
    parts += ["## Memory, start and answers", table(SERVERS, servers)]
    facts = {
        "seconds": f"{options.seconds} for each load",
        "rounds": f"{options.rounds}; the figures are medians",
        "pictures": ", ".join(f"{one.label} of {len(one.data):,} bytes" for one in pictures),
        "peak memory": MEMORY_METHOD,
        "java": first_line(f"{find_java_home()}/bin/java", "-version"),
        "wrk": first_line(find_wrk(), "-v"),
        "peers": pins(GROUP) if set(options.only) != {OURS} else "none",
    }
    data = {name: [asdict(run) for run in values] for name, values in runs.items()}
    failed = {LABELS[name]: message for name, message in failures.items()}
    return Report("Serving", parts, {"runs": data}, facts, failed)


def _load_rows(
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
        measured = [(load.p50, load.p99, load.requests_per_second) for load in loads]
        p50, p99, rate = figures = list(map(median, zip(*measured, strict=True)))
        row += [f"{1000 * p50:,.2f} ms", f"{1000 * p99:,.2f} ms", f"{rate:,.1f}"]
        if name == OURS:
            ours = figures
        elif ours:
            row += [f"{mine / its:.2f}" for mine, its in zip(ours, figures, strict=True)]
        rows.append(row)
    return rows


def _server_row(name: str, runs: Sequence[Run]) -> list[str]:
    if not runs:
        return [LABELS[name], "failed"]
    return [
        LABELS[name],
        mebibytes(median(run.memory_at_rest for run in runs)),
        mebibytes(median(run.peak_memory for run in runs)),
        f"{median(run.start_seconds for run in runs):.1f} s",
        f"{max(run.difference for run in runs):.1g}",
    ]


COMMAND = Command("serving", __doc__, OPTIONS, measure)

if __name__ == "__main__":
    COMMAND.main()
