"""Compare our TorchServe with other ways to serve the same net.

Starts each server on this machine, one after another: ours with the shipped archive and
configuration, FastAPI with ONNX Runtime, LitServe, BentoML, and the original's Flask with Keras.
Checks that all give the same answers, loads each with wrk, and tells the time to an answer (p50,
p99), requests a second and memory, with ratios to ours. The peers bring a virtual environment of
their own, below .venv-benchmarks/, which the first run makes. Nothing else should run meanwhile.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import peer_environment
from benchmarks.load import Load, find_wrk, put_load
from benchmarks.machine import commit, describe_machine, describe_software
from benchmarks.memory import PeakMemory, tree_memory
from benchmarks.output import (
    add_output_option,
    check_output,
    elapsed,
    interrupt_at_any_signal,
    warn_of_load,
    write,
)
from benchmarks.pictures import PICTURES, Picture, questions
from benchmarks.programs import ProgramError
from benchmarks.servers import (
    ARCHIVE,
    CONTESTANTS,
    GROUP,
    Contestant,
    Server,
    largest_difference,
    server_software,
    wait_until_idle,
    wait_until_ready,
    write_net,
)
from benchmarks.serving_report import OURS, Result, Run, Settings, to_json, to_markdown
from model.classifier import Classifier
from model.options import OneLineParser, at_least_one

WARM_UP_CONNECTIONS = 8
NAMES = tuple(contestant.name for contestant in CONTESTANTS)
EPILOG = """\
examples:
  python -m benchmarks.serving                     to measure: half an hour, nothing else
  python -m benchmarks.serving --only ours fastapi --pictures png
                                                   beside the fastest peer alone
  python -m benchmarks.serving --rounds 1 --seconds 2 --warm-up 1 --output /tmp/trial.md
                                                   does it work? minutes
"""

Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parse_options(arguments)
    try:
        find_wrk()
        result = measure(options)
        write(to_markdown(result), to_json(result), options.output)
    except (ProgramError, OSError, ValueError) as error:
        print(f"benchmarks.serving: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks.serving: interrupted; no result is written", file=sys.stderr)
        return 130
    return 1 if result.failures else 0


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line; a wrong value exits with 2."""
    parser = create_parser()
    options = parser.parse_args(arguments)
    # Given twice, a number would be measured twice.
    options.connections = sorted(set(options.connections))
    check_output(options, parser, "serving")
    return options


def create_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, help="start these alone (default: all)"
    )
    parser.add_argument(
        "--pictures",
        nargs="+",
        choices=PICTURES,
        default=list(PICTURES),
        help="png: 32×32 pixels; jpeg: 12 megapixels (default: both)",
    )
    parser.add_argument(
        "--connections",
        nargs="+",
        type=at_least_one,
        default=[1, 8, 32],
        metavar="N",
        help="that are open at once, one load for each number (default: 1 8 32)",
    )
    parser.add_argument(
        "--seconds", type=at_least_one, default=8, metavar="N", help="of each load (default: 8)"
    )
    parser.add_argument(
        "--warm-up",
        type=at_least_one,
        default=10,
        metavar="N",
        help="seconds of load before, for each picture: Java compiles what has run ten thousand "
        "times (default: 10)",
    )
    parser.add_argument(
        "--rounds",
        type=at_least_one,
        default=3,
        metavar="N",
        help="times that each server is started, in turns; the result is the median (default: 3)",
    )
    add_output_option(parser, "serving", "every load")
    return parser


def measure(options: argparse.Namespace) -> Result:
    """Run every server that was asked for, in every round.

    Raises:
        ProgramError: the peers' environment can't be made.
        OSError, ValueError: the archive can't be read.
    """
    machine, code, date = describe_machine(), commit(), datetime.now(UTC).date()
    warn_of_load()
    contestants = [one for one in CONTESTANTS if one.name in options.only]
    has_peers = any(one.name != OURS for one in contestants)
    pictures = [make() for name, make in PICTURES.items() if name in options.pictures]
    with tempfile.TemporaryDirectory() as directory:
        if has_peers:
            write_net(Path(directory))
        runs, failures = run_rounds(contestants, pictures, options, Path(directory))
    return Result(
        settings=Settings(
            pictures={picture.name: picture.label for picture in pictures},
            picture_bytes={picture.name: len(picture.data) for picture in pictures},
            connections=options.connections,
            seconds=options.seconds,
            rounds=options.rounds,
            date=date.isoformat(),
            commit=code,
        ),
        labels={one.name: one.label for one in contestants},
        runs=runs,
        failures=failures,
        machine=machine,
        software={
            **describe_software(),
            "torchserve": version("torchserve"),
            **server_software(),
        },
        peer_software=peer_environment.pins(GROUP) if has_peers else {},
        peer_packages=peer_environment.versions(GROUP) if has_peers else {},
    )


def run_rounds(
    contestants: Sequence[Contestant],
    pictures: Sequence[Picture],
    options: argparse.Namespace,
    net: Path,
) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """Run the servers in turns; one that fails is told of, and left out of the next rounds.

    Returns:
        The runs of each, and why those that failed did, by name.
    """
    runs: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    failures: dict[str, str] = {}
    reference = Classifier.load(ARCHIVE)
    started = time.monotonic()
    for index in range(options.rounds):
        for contestant in contestants:
            if contestant.name in failures:
                continue
            say = speaker(f"{contestant.name:<8} round {index + 1}/{options.rounds}", started)
            say("starts")
            try:
                with contestant.start(net) as server:
                    runs[contestant.name].append(
                        run_server(server, pictures, reference, options, say)
                    )
            except ProgramError as error:
                failures[contestant.name] = str(error)
                print(f"{contestant.name} failed: {error}", file=sys.stderr, flush=True)
    return runs, failures


def speaker(heading: str, started: float) -> Say:
    """Return what prints a line, with the time since ``started`` (monotonic)."""

    def say(text: str) -> None:
        print(f"{elapsed(started)}  {heading}  {text}", flush=True)

    return say


def run_server(
    server: Server,
    pictures: Sequence[Picture],
    reference: Classifier,
    options: argparse.Namespace,
    say: Say,
) -> Run:
    """Check a server's answers, warm it up, and load it.

    Raises:
        ProgramError: it does not answer, or wrongly, or one request of a load went wrong.
    """
    start_seconds = wait_until_ready(server, pictures[0].data)
    difference = largest_difference(server, [*questions(), *pictures], reference)
    say(f"answers after {start_seconds:.1f} s, {difference:.1g} from the net's own")
    for picture in pictures:
        load_without_errors(server, picture, WARM_UP_CONNECTIONS, options.warm_up)
    at_rest = tree_memory(server.pid)
    loads: dict[str, list[Load]] = {}
    with PeakMemory(server.pid) as memory:
        for picture in pictures:
            loads[picture.name] = []
            for connections in options.connections:
                load = load_without_errors(server, picture, connections, options.seconds)
                loads[picture.name].append(load)
                say(
                    f"{picture.label}, {connections:>2} connections: p50 {load.p50 * 1000:.2f} ms, "
                    f"p99 {load.p99 * 1000:.2f} ms, {load.requests_per_second:,.1f} requests/s"
                )
    return Run(start_seconds, difference, at_rest, memory.peak, loads)


def load_without_errors(server: Server, picture: Picture, connections: int, seconds: int) -> Load:
    """Put load on a server, see :func:`benchmarks.load.put_load`, until it is idle again.

    Raises:
        ProgramError: also where a single request went wrong.
    """
    load = put_load(server.request(picture.data), connections, seconds)
    wait_until_idle(server)
    if load.errors:
        errors = ", ".join(f"{number} {kind}" for kind, number in load.errors.items())
        raise ProgramError(
            f"errors under load: {errors}, beside {load.requests:,} answers "
            f"({picture.label}, {connections} connections)"
        )
    return load


if __name__ == "__main__":
    interrupt_at_any_signal()
    sys.exit(main())
