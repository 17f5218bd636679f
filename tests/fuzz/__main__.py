"""Feed the decoder mutated pictures of every format, and noise, for a chosen time.

Whatever it is fed, it must give 32×32 pixels or one of its own errors, in 5 seconds and 512 MiB,
and must not crash. An input that fails is made as small as can be, kept, and named.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky

from model.command_line import OneLineParser
from tests.fuzz.judge import Judge, Verdict
from tests.fuzz.mutations import mutated_files
from tests.helpers.samples import make_samples

FAILURES = Path("fuzz-failures")
PHASES = (Phase.generate, Phase.shrink)
EPILOG = """\
examples:
  python -m tests.fuzz --seconds 600
  python -m tests.fuzz --replay fuzz-failures/1-crash.bin
  make fuzz FUZZ_SECONDS=600
"""


class FaultError(AssertionError):
    """An input did what it must not; Hypothesis looks for a smaller one."""


def fuzz(seconds: float) -> int:
    """Try inputs for so long or until one fails, and return the command's exit code."""
    print(f"Trying mutated pictures for {seconds:.0f} s ...", flush=True)
    judge = Judge()
    end = time.monotonic() + seconds
    outcomes: Counter[str] = Counter()
    slowest, peak = 0.0, 0
    failing: list[tuple[bytes, Verdict]] = []

    @settings(deadline=None, database=None, phases=PHASES, suppress_health_check=[*HealthCheck])
    @given(mutated_files(make_samples()))
    def check(data: bytes) -> None:
        nonlocal slowest, peak
        if not failing and time.monotonic() > end:
            return
        verdict = judge.judge(data)
        outcomes[verdict.outcome] += 1
        slowest, peak = max(slowest, verdict.seconds), max(peak, verdict.peak)
        if verdict.fault:
            failing.append((data, verdict))
            raise FaultError(verdict.fault)

    # The last one that fails is the smallest.
    with suppress(FaultError, Flaky):
        while time.monotonic() < end:
            check()
    judge.stop()
    named = ", ".join(f"{times:,} {name}" for name, times in outcomes.most_common())
    print(f"{outcomes.total():,} inputs: {named}")
    print(f"At most {slowest:.2f} s of the processor and {peak / 2**20:.0f} MiB of memory.")
    if not failing:
        print("No input failed.")
        return 0
    data, verdict = failing[-1]
    FAILURES.mkdir(exist_ok=True)
    file = FAILURES / f"{int(time.time())}-{verdict.outcome}.bin"
    file.write_bytes(data)
    print(f"{verdict.fault}\nFAILED; once more: python -m tests.fuzz --replay {file}")
    return 1


def replay(file: Path) -> int:
    """Try one input, say what came of it, and return the command's exit code."""
    judge = Judge()
    verdict = judge.judge(file.read_bytes())
    judge.stop()
    print(f"{verdict.outcome} after {verdict.seconds:.2f} s, {verdict.peak / 2**20:.0f} MiB")
    print(verdict.fault or "Nothing is wrong with that.")
    return 1 if verdict.fault else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = OneLineParser(prog="python -m tests.fuzz", description=__doc__, epilog=EPILOG)
    parser.add_argument("--seconds", type=float, default=60, help="to go on for (default: 60)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try this input alone")
    options = parser.parse_args(arguments)
    if options.replay is None:
        return fuzz(options.seconds)
    try:
        return replay(options.replay)
    except OSError as error:
        parser.error(f"{options.replay}: {error.strerror}")


if __name__ == "__main__":
    sys.exit(main())
