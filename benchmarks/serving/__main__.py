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
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from PIL import ImageOps

from benchmarks.common.command import Command, option
from benchmarks.common.peer_environment import pins, prepare
from benchmarks.common.pictures import encode, large_picture, ship, small_picture
from benchmarks.common.programs import MEMORY_METHOD, ProgramError, tree_memory, watch_memory
from benchmarks.common.report import Report, first_line, mebibytes, table
from benchmarks.common.server import ARCHIVES, Server, ask
from benchmarks.serving.servers import GROUP, LABELS, OURS, load_expected, start
from benchmarks.serving.wrk import Load, put_load
from model.inference.classifier import Classifier
from serving.java import find_java_home

# Connections that are open at once, by loads.
CONNECTIONS = (1, 8, 32)
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
        loads: By the label of the picture, one for each of ``CONNECTIONS``.
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
    option("--pictures", "send these alone (default: all)", PICTURES, nargs="+", choices=PICTURES),
    option(
        "--model-version", "what all servers serve (default: %(default)s)", "2.0", choices=ARCHIVES
    ),
    option("--seconds", "seconds of each load", 8),
    # Java compiles what has run ten thousand times.
    option("--warm-up", "seconds of load before, for each picture", 10),
    option("--rounds", "times that each server is started, in turns", 3),
)


def measure(options: argparse.Namespace) -> Report:
    """Run every server that was asked for once a round; one that fails is left out of the next."""
    if not shutil.which("wrk"):
        raise ProgramError("wrk is missing; on Debian and Ubuntu: sudo apt-get install wrk")
    # Version 1.0 has no quantised graph.
    left_out = {"fastapi-int8"} if options.model_version == "1.0" else set()
    names = [name for name in LABELS if name in {*options.only} - left_out]
    if names != [OURS]:
        prepare(GROUP)
    pictures = [make() for name, make in PICTURES.items() if name in options.pictures]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as directory:
        archive = Path(directory)
        shutil.unpack_archive(ARCHIVES[options.model_version], archive, "zip")
        for number in range(options.rounds):
            for name in list(runs):
                print(f"{name}, round {number + 1} of {options.rounds}", flush=True)
                try:
                    runs[name].append(measure_server(name, archive, pictures, options))
                except ProgramError as error:
                    failures[LABELS[name]] = str(error)
                    del runs[name]
    return make_report(options, pictures, runs, failures)


def measure_server(
    name: str, archive: Path, pictures: Sequence[Picture], options: argparse.Namespace
) -> Run:
    """Start a server, check its answers, warm it up, and load it.

    Raises:
        ProgramError: The server fails.
    """
    network, started = load_expected(name, archive), time.monotonic()
    with start(name, options.model_version, archive) as server:
        start_seconds = time.monotonic() - started
        checked = [*questions(), *pictures]
        difference = max(check_answer(server, picture, network) for picture in checked)
        for picture in pictures:
            put_load(server, picture.data, WARM_UP_CONNECTIONS, options.warm_up)
        at_rest = tree_memory(server.pid)
        loads: dict[str, list[Load]] = {picture.label: [] for picture in pictures}
        with watch_memory(server.pid) as samples:
            for picture in pictures:
                for connections in CONNECTIONS:
                    load = put_load(server, picture.data, connections, options.seconds)
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
    given, expected = ask(server, picture.data), network.classify(picture.data)
    probabilities, wanted = given["probabilities"], expected["probabilities"]
    difference = np.abs([probabilities[name] - wanted[name] for name in wanted]).max()
    # NaN must not pass for a small difference.
    if not difference <= picture.tolerance or given["label"] != expected["label"]:
        raise ProgramError(
            f"its answers are wrong: {given['label']!r} for the {picture.label}, where "
            f"{expected['label']!r} is right; probabilities differ by {difference:.3f}"
        )
    return float(difference)


def make_report(
    options: argparse.Namespace,
    pictures: Sequence[Picture],
    runs: Mapping[str, Sequence[Run]],
    failures: Mapping[str, str],
) -> Report:
    """Return the report; ``runs`` are of the servers that never failed, which are in the tables."""
    parts = []
    for picture in pictures:
        rows = []
        for index, connections in enumerate(CONNECTIONS):
            loads = {
                name: [run.loads[picture.label][index] for run in of_server]
                for name, of_server in runs.items()
            }
            rows += [[str(connections), *row] for row in _load_rows(loads)]
        parts += [f"## {picture.label}", table(LOADS, rows)]
    servers = [
        [
            LABELS[name],
            mebibytes(median(run.memory_at_rest for run in of_server)),
            mebibytes(median(run.peak_memory for run in of_server)),
            f"{median(run.start_seconds for run in of_server):.1f} s",
            f"{max(run.difference for run in of_server):.1g}",
        ]
        for name, of_server in runs.items()
    ]
    parts += ["## Memory, start and answers", table(SERVERS, servers)]
    facts = {
        "seconds": f"{options.seconds} for each load",
        "rounds": f"{options.rounds}; the figures are medians",
        "pictures": ", ".join(f"{one.label} of {len(one.data):,} bytes" for one in pictures),
        "peak memory": MEMORY_METHOD,
        "java": first_line(f"{find_java_home()}/bin/java", "-version"),
        "wrk": first_line("wrk", "-v"),
        "peers": pins(GROUP) if runs.keys() != {OURS} else "none",
    }
    data = {name: [asdict(run) for run in values] for name, values in runs.items()}
    return Report("Serving", parts, {"runs": data}, facts, failures)


def _load_rows(loads: Mapping[str, Sequence[Load]]) -> list[list[str]]:
    """Return a row of medians for each server, with ratios after ours."""
    rows, ours = [], None
    for name, of_server in loads.items():
        measured = [(load.p50, load.p99, load.requests_per_second) for load in of_server]
        p50, p99, rate = figures = [median(each) for each in zip(*measured, strict=True)]
        row = [LABELS[name], f"{1000 * p50:,.2f} ms", f"{1000 * p99:,.2f} ms", f"{rate:,.1f}"]
        if name == OURS:
            ours = figures
        elif ours:
            row += [f"{mine / its:.2f}" for mine, its in zip(ours, figures, strict=True)]
        rows.append(row)
    return rows


COMMAND = Command("serving", __doc__, OPTIONS, measure)

if __name__ == "__main__":
    COMMAND.main()
