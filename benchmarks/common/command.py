"""What the commands of all benchmarks have in common: options, results, exit codes."""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.common.programs import ProgramError
from benchmarks.common.report import Report, describe_machine
from model import PROJECT
from model.command_line import CommandError, OneLineParser, whole_number

RESULTS = PROJECT / "benchmarks" / "results"
# Load average above which measurements are disturbed.
QUIET_LOAD = 0.5

Option = tuple[str, dict[str, Any]]


def option(name: str, meaning: str, default: object = None, **settings: object) -> Option:
    """Declare an option of a benchmark; one whose default is a number takes numbers above 0."""
    if isinstance(default, int):
        meaning = f"{meaning} (default: {default})"
        settings = {"type": whole_number(), "metavar": "N", **settings}
    return name, {"help": meaning, "default": default, **settings}


@dataclass(frozen=True)
class Command:
    """A benchmark as a command, named after its package below ``benchmarks``.

    ``measure`` raises one of the errors that :meth:`run` catches where it can't. ``needs_quiet``
    says whether other programs change the figures.
    """

    name: str
    description: str | None
    options: Sequence[Option]
    measure: Callable[[argparse.Namespace], Report]
    needs_quiet: bool = True

    def main(self) -> NoReturn:
        """Run the command and exit. Any signal that ends a program ends it as Ctrl-C does.

        The programs that a benchmark starts have sessions of their own, so they would outlive it.
        """
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)
        sys.exit(self.run())

    def run(self, arguments: Sequence[str] | None = None) -> int:
        """Measure, print the report and write it.

        Returns:
            0 where everything went well, 1 where the report names a failure, 2 where nothing could
            be measured, 130 after an interrupt.
        """
        options = self.parse(arguments)
        facts, load = describe_machine(), os.getloadavg()[0]
        if self.needs_quiet and load > QUIET_LOAD:
            print(f"Other programs are running (load {load:.1f}), so the figures will be wrong.")
        try:
            report = self.measure(options)
            report = report._replace(facts={**facts, **report.facts})
            document = {"facts": report.facts, **report.data, "failures": report.failures}
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text(report.to_markdown())
            options.output.with_suffix(".json").write_text(json.dumps(document) + "\n")
        except (CommandError, ProgramError, subprocess.CalledProcessError, OSError) as error:
            print(f"benchmarks.{self.name}: error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"benchmarks.{self.name}: interrupted; no result is written", file=sys.stderr)
            return 130
        print(f"\n{report.to_markdown()}\nIt is in {options.output}, and in the .json beside it.")
        return 1 if report.failures else 0

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """Parse and check the command line; a wrong value exits with 2."""
        parser = OneLineParser(f"python -m benchmarks.{self.name}", self.description)
        today = f"{self.name.replace('_', '-')}-{datetime.now(UTC):%Y-%m-%d}.md"
        output = option(
            "--output",
            "file for the tables; FILE.json gets every single measurement (default: a file in "
            "benchmarks/results/, named after the benchmark and the day)",
            RESULTS / today,
            type=Path,
            metavar="FILE.md",
        )
        for name, settings in [*self.options, output]:
            parser.add_argument(name, **settings)
        options = parser.parse_args(arguments)
        if options.output.suffix != ".md":
            parser.error(f"--output: {options.output} must end in .md; the JSON goes beside it")
        if options.output.exists():
            parser.error(f"--output: {options.output} exists already; choose another name")
        return options
