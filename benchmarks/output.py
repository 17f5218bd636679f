"""What all benchmarks do beside measuring: where results go, and what is said meanwhile."""

import argparse
import itertools
import json
import os
import signal
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.programs import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
QUIET_LOAD = 0.5


def add_output_option(parser: argparse.ArgumentParser, benchmark: str, details: str) -> None:
    """Add ``--output``; ``details`` says what the JSON holds besides."""
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"where the result goes, FILE.md, and FILE.json with {details} "
        f"(default: benchmarks/results/{benchmark}-<date>.md)",
    )


def check_output(
    options: argparse.Namespace, parser: argparse.ArgumentParser, benchmark: str
) -> None:
    """Set the default of ``options.output``; exit with 2 where it can't be written."""
    options.output = options.output or default_output(benchmark)
    if options.output.suffix != ".md":
        parser.error(f"--output: {options.output} must end in .md; the JSON goes beside it")
    for file in (options.output, options.output.with_suffix(".json")):
        if file.exists():
            parser.error(f"--output: {file} exists already; choose another one")


def default_output(benchmark: str, results: Path = RESULTS) -> Path:
    """Return the file of today's result, or of the next one today."""
    today = f"{benchmark}-{datetime.now(UTC):%Y-%m-%d}"
    for number in itertools.count(1):
        name = today if number == 1 else f"{today}-{number}"
        file = results / f"{name}.md"
        if not file.exists():
            break
    return file


def write(text: str, document: Mapping[str, Any], output: Path) -> None:
    """Print the result, and write it to ``output`` and to the JSON beside it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text)
    output.with_suffix(".json").write_text(json.dumps(document, indent=2) + "\n")
    print(f"\n{text}\nAll of it is in {os.path.relpath(output)} and the .json beside it.")


def warn_of_load() -> None:
    """Say so where other programs are at work: they slow some contestants more than others."""
    load = os.getloadavg()[0]
    if load > QUIET_LOAD:
        print(
            f"Something else is running here (load {load:.1f}): the figures will be wrong, as "
            "programs differ in how much they suffer from it.",
            flush=True,
        )


def elapsed(started: float) -> str:
    """Return minutes and seconds since ``started``, which is monotonic."""
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    return f"{minutes:>3}:{seconds:02}"


def interrupt_at_any_signal() -> None:
    """End as with Ctrl-C at the other signals that end a program.

    A program that is running has a session of its own and would not hear of them.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
