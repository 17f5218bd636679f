"""Compare our TorchServe with other ways to serve the same network.

Each server is started on this machine, one after another: ours with the shipped archives and
configuration, FastAPI with ONNX Runtime, LitServe, BentoML, and for version 1.0 the original's
Flask with Keras. The peers compute the archive's float32 graph; for version 2.0, FastAPI computes
the quantised one, too, which ours takes where the processor is quick at it. All must give the same
answers. Then wrk loads each, and the report tells the time to an answer (p50, p99), requests a
second and memory, with ratios to ours. The peers get a virtual environment of their own below
.venv-benchmarks/ in the first run. Nothing else should run meanwhile.
"""

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.common.command import Command, add_number
from benchmarks.common.memory import tree_memory, watch_memory
from benchmarks.common.programs import ProgramError, Say, take_turns
from benchmarks.common.report import Report
from benchmarks.common.server import ARCHIVES, Server, wait_until_ready
from benchmarks.serving.answers import PICTURES, Picture, largest_difference, questions
from benchmarks.serving.report import Run, make_report
from benchmarks.serving.servers import (
    LABELS,
    ONLY_VERSION,
    OURS,
    load_expected,
    start,
    write_network,
)
from benchmarks.serving.wrk import Load, find_wrk, put_load, wait_until_idle
from model.command_line import whole_number
from model.inference.classifier import Classifier

WARM_UP_CONNECTIONS = 8
EXAMPLES = """\
  python -m benchmarks.serving                     to measure: half an hour, nothing else
  python -m benchmarks.serving --only ours fastapi --pictures png     beside the fastest peer alone
  python -m benchmarks.serving --rounds 1 --seconds 2 --warm-up 1 --output /tmp/trial.md
                                                   does it work?
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--only", nargs="+", choices=LABELS, default=LABELS, help="start these alone (default: all)"
    )
    parser.add_argument(
        "--pictures",
        nargs="+",
        choices=PICTURES,
        default=PICTURES,
        help="png: 32×32 pixels; jpeg: 12 megapixels (default: both)",
    )
    parser.add_argument(
        "--connections",
        nargs="+",
        type=whole_number(),
        default=[1, 8, 32],
        metavar="N",
        help="connections that are open at once, one load for each number (default: 1 8 32)",
    )
    parser.add_argument(
        "--model-version",
        choices=ARCHIVES,
        default=next(iter(ARCHIVES)),
        help="version of the shipped model that all servers serve (default: %(default)s)",
    )
    add_number(parser, "--seconds", 8, "seconds of each load")
    # Java compiles what has run ten thousand times.
    add_number(parser, "--warm-up", 10, "seconds of load before, for each picture")
    add_number(parser, "--rounds", 3, "times that each server is started, in turns")


def measure(options: argparse.Namespace) -> Report:
    """Run every server that was asked for, in every round."""
    find_wrk()
    # In order, and once each.
    options.connections = sorted(set(options.connections))
    version = options.model_version
    options.only = [
        name
        for name in LABELS
        if name in options.only and ONLY_VERSION.get(name, version) == version
    ]
    pictures = [make() for name, make in PICTURES.items() if name in options.pictures]
    archive = ARCHIVES[version]
    with tempfile.TemporaryDirectory() as directory:
        if options.only != [OURS]:
            write_network(archive, Path(directory))

        def run(name: str, _round: int, say: Say) -> Run:
            network = load_expected(name, archive)
            with start(name, version, Path(directory)) as server:
                return measure_server(server, pictures, network, options, say)

        runs, failures = take_turns(
            {name: partial(run, name) for name in options.only}, options.rounds
        )
    return make_report(options, pictures, runs, failures)


def measure_server(
    server: Server,
    pictures: Sequence[Picture],
    network: Classifier,
    options: argparse.Namespace,
    say: Say,
) -> Run:
    """Check a server's answers, warm it up, and load it; raises ``ProgramError`` if it fails."""
    start_seconds = wait_until_ready(server.request(pictures[0].data), server.pid)
    difference = largest_difference(server, [*questions(), *pictures], network)
    say(f"answers after {start_seconds:.1f} s, {difference:.1g} from the network's own")
    for picture in pictures:
        load_without_errors(server, picture, WARM_UP_CONNECTIONS, options.warm_up)
    at_rest = tree_memory(server.pid)
    loads: dict[str, list[Load]] = {picture.label: [] for picture in pictures}
    with watch_memory(server.pid) as peak:
        for picture in pictures:
            for connections in options.connections:
                load = load_without_errors(server, picture, connections, options.seconds)
                loads[picture.label].append(load)
                say(f"{picture.label}, {load}")
    return Run(start_seconds, difference, at_rest, peak.memory, loads)


def load_without_errors(server: Server, picture: Picture, connections: int, seconds: int) -> Load:
    """Load a server, wait until it is idle, and raise ``ProgramError`` if one request failed."""
    load = put_load(server.request(picture.data), connections, seconds)
    wait_until_idle(server.pid)
    if load.errors:
        raise ProgramError(f"errors under load: {load.errors} ({picture.label}, {load})")
    return load


COMMAND = Command("serving", __doc__, EXAMPLES, add_options, measure)

if __name__ == "__main__":
    COMMAND.main()
