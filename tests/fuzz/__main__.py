"""Feed the decoder mutated pictures of every format, and noise, for a chosen time.

Whatever it is fed, it must give 32×32 pixels or one of its four errors, in 5 seconds and 1.5 GiB,
and must not crash. An input that fails is made as small as can be, kept, and named.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from model.options import OneLineParser
from tests.fuzz.judge import Judge, Verdict
from tests.fuzz.mutations import mutated_files
from tests.fuzz.samples import make_samples

ROUND = 100
# Up to then, libraries fill their tables.
WARM_UP_INPUTS = 1000
MAX_GROWTH_BYTES = 150 * 2**20
EPILOG = """\
examples:
  python -m tests.fuzz --seconds 600
  python -m tests.fuzz --replay fuzz-failures/1-crash.bin
  make fuzz FUZZ_SECONDS=600
"""


class FaultError(AssertionError):
    """An input did what it must not; hypothesis looks for a smaller one."""


class Fuzzing:
    """One run: what was tried, what came of it, how long and how large it got."""

    def __init__(self, seconds: float) -> None:
        self._judge = Judge()
        self._started = self._shown = time.monotonic()
        self._end = self._started + seconds
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0
        self.peak = self.settled = self.memory = 0
        self.failing: tuple[bytes, Verdict] | None = None

    def run(self, first_seed: int) -> None:
        """Try inputs until the time is over, or one fails."""
        files = mutated_files(make_samples())

        def check(data: bytes) -> None:
            self._try(data)

        number = first_seed
        while time.monotonic() < self._end and self.failing is None:
            options = settings(
                max_examples=ROUND,
                deadline=None,
                database=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            )
            try:
                seed(number)(options(given(files)(check)))()
            except FaultError:
                break
            number += 1
        self._judge.stop()

    def _try(self, data: bytes) -> None:
        if self.failing is None and time.monotonic() > self._end:
            return
        verdict = self._judge.judge(data)
        self.outcomes[verdict.outcome] += 1
        self.slowest = max(self.slowest, verdict.seconds)
        self.peak = max(self.peak, verdict.peak)
        self.memory = verdict.memory or self.memory
        if self.outcomes.total() == WARM_UP_INPUTS:
            self.settled = verdict.memory
        self._show()
        if verdict.fault:
            self.failing = data, verdict
            raise FaultError(verdict.fault)

    def _show(self) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown > 1:
            self._shown = now
            print(f"\r{self.summary()}", end="", file=sys.stderr, flush=True)

    def growth(self) -> int:
        """Return by how many bytes the memory has grown since the warm-up."""
        return self.memory - self.settled if self.settled else 0

    def summary(self) -> str:
        """Return one line: how many, how long, what came of it."""
        outcomes = ", ".join(f"{count:,} {name}" for name, count in self.outcomes.most_common())
        return (
            f"{self.outcomes.total():,} inputs in {time.monotonic() - self._started:.0f} s: "
            f"{outcomes}; slowest {self.slowest:.2f} s, memory {self.memory / 2**20:.0f} MiB "
            f"({self.growth() / 2**20:+.0f} since the warm-up), at most {self.peak / 2**20:.0f}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = OneLineParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60, help="to go on for (default: 60)")
    parser.add_argument(
        "--seed",
        type=int,
        default=int(time.time()),
        help="of the first round; the same finds the same (default: the time)",
    )
    parser.add_argument(
        "--failures",
        type=Path,
        default=Path("fuzz-failures"),
        metavar="DIR",
        help="where an input that fails is kept (default: fuzz-failures/)",
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try this input alone")
    options = parser.parse_args(arguments)
    if options.replay:
        return replay(options.replay)
    print(f"Seed {options.seed}, {options.seconds:.0f} s", flush=True)
    fuzzing = Fuzzing(options.seconds)
    fuzzing.run(options.seed)
    print(f"\n{fuzzing.summary()}")
    if fuzzing.failing is not None:
        data, verdict = fuzzing.failing
        options.failures.mkdir(parents=True, exist_ok=True)
        file = options.failures / f"{options.seed}-{verdict.outcome}.bin"
        file.write_bytes(data)
        print(f"{verdict.fault}\nFAILED; once more: python -m tests.fuzz --replay {file}")
        return 1
    if fuzzing.growth() > MAX_GROWTH_BYTES:
        print("FAILED: the memory grows")
        return 1
    print("No input failed.")
    return 0


def replay(file: Path) -> int:
    """Try one input, and say what came of it."""
    try:
        data = file.read_bytes()
    except OSError as error:
        print(f"tests.fuzz: error: {file}: {error.strerror}", file=sys.stderr)
        return 2
    judge = Judge()
    verdict = judge.judge(data)
    judge.stop()
    print(f"{verdict.outcome} after {verdict.seconds:.2f} s, {verdict.peak / 2**20:.0f} MiB")
    print(verdict.fault or "Nothing is wrong with that.")
    return 1 if verdict.fault else 0


if __name__ == "__main__":
    sys.exit(main())
