"""Which answers are right or excused, how much memory has grown, and the report of both."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import takewhile
from statistics import median
from typing import NamedTuple

from benchmarks.common.report import Report, mebibytes, table, waits
from benchmarks.soak.events import Event
from benchmarks.soak.load import REFUSED, Answer

# Seconds after an event that the table counts to it.
AFTERMATH_SECONDS = 5
# Share of the time since the last start of a process in which it settles, the share over which its
# memory is then taken, and the share by which it may grow.
SETTLING, TAKEN, MAX_GROWTH = 0.25, 0.1, 0.05
# Minutes from which growth is judged; before, Java and libraries still fill what they keep.
JUDGED_MINUTES = 30
EXCUSED = (
    "Excused is what a killed process leaves without an answer: a worker what it had in hand, Java "
    "and the page all until the new one answers. A wrong label or version is never excused."
)
MEMORY = (
    "Memory is that of all processes of a kind (PSS). Of the time since one of them was last "
    "started, the first quarter is left out, in which Java and libraries fill what they keep; the "
    "tenth after it is compared with the last tenth (medians)."
)
NO_DISK = "**The disk was not filled**: as root, or below `unshare --map-root-user --mount`, it is."
EVENT_HEADER = "while", "lasted", "requests", "failed", "excused", "median", "99 of 100", "slowest"
MEMORY_HEADER = "process", "last start", "then", "settled", "at the end", "growth"


class Happened(NamedTuple):
    """An event, when it began and ended, and why it went wrong, if it did."""

    event: Event
    begin: float
    end: float
    failure: str = ""

    def meets(self, answer: Answer, seconds_after: float = 0) -> bool:
        """Say whether an answer was awaited during the event, or soon after it."""
        return answer.sent <= self.end + seconds_after and answer.ended >= self.begin

    def excuses(self, answer: Answer) -> bool:
        """Say whether the event excuses a failure."""
        text = f"{answer.kind}: {answer.outcome}"
        return self.meets(answer) and bool(re.match(self.event.excused, text))


class Sample(NamedTuple):
    """When the processes of a kind had which ids, and took how many bytes together."""

    when: float
    pids: Sequence[int]
    size: int


def judge(answer: Answer, happened: Sequence[Happened]) -> str:
    """Return ``good``, ``excused`` or ``failed``, by what happened while an answer was awaited."""
    may_answer = {"2.0"}
    for one in happened:
        if one.event.version and not one.failure and one.begin <= answer.sent:
            before = may_answer if answer.sent < one.end else set()
            may_answer = {one.event.version, *before}
    if answer.outcome in {REFUSED, *may_answer}:
        return "good"
    return "excused" if any(one.excuses(answer) for one in happened) else "failed"


def measure_growth(samples: Sequence[Sample]) -> tuple[float, int, float, float]:
    """Return the seconds since the last start, and the bytes then, once settled, and at the end."""
    last = samples[-1]
    same = [*takewhile(lambda one: one.pids == last.pids, reversed(samples))][::-1]
    sizes = [one.size for one in same]
    taken, settled = max(1, int(TAKEN * len(same))), int(SETTLING * len(same))
    seconds = last.when - same[0].when
    return seconds, sizes[0], median(sizes[settled : settled + taken]), median(sizes[-taken:])


def make_report(
    answers: Sequence[Answer],
    happened: Sequence[Happened],
    samples: Mapping[str, Sequence[Sample]],
    minutes: int,
    *,
    has_disk: bool,
) -> Report:
    """Return the report, with what is not as it must be among its failures.

    Args:
        answers: What all requests got.
        happened: The events, in their order.
        samples: The memory of each kind of process.
        minutes: How long the run was.
        has_disk: Whether there was a disk that could be filled.
    """
    failures = {one.event.name: one.failure for one in happened if one.failure}
    lasted = {one.event.name: f"{one.end - one.begin:.1f} s" for one in happened}
    judged = [(answer, judge(answer, happened)) for answer in answers]
    parts = defaultdict(list, {"all": judged})
    for answer, verdict in judged:
        met = (one.event.name for one in happened if one.meets(answer, AFTERMATH_SECONDS))
        parts[next(met, "nothing")].append((answer, verdict))
    events = [_row(name, lasted.get(name, ""), parts[name]) for name in (*lasted, "nothing", "all")]
    kinds = Counter((verdict, one.kind, one.outcome) for one, verdict in judged)
    counts = [(*kind, f"{number:,}") for kind, number in sorted(kinds.items())]
    if faults := [", ".join(row) for row in counts if row[0] == "failed"]:
        failures["answers"] = "\n".join(faults)
    memory = []
    for kind, taken in samples.items():
        if not taken[-1].pids:
            failures[kind] = "none runs at the end"
            continue
        seconds, *sizes = measure_growth(taken)
        growth = sizes[2] / sizes[1] - 1
        texts = map(mebibytes, sizes)
        memory.append((kind, f"{seconds / 60:.0f} min before", *texts, f"{100 * growth:+.1f} %"))
        if minutes >= JUDGED_MINUTES and growth > MAX_GROWTH:
            failures[f"memory of {kind}"] = f"it grew by {100 * growth:.1f} %"
    document = [
        "FAILED, see below." if failures else "Nothing was wrong, and nothing failed unexcused.",
        *([] if has_disk else [NO_DISK]),
        EXCUSED,
        table(EVENT_HEADER, events),
        MEMORY,
        table(MEMORY_HEADER, memory),
        table(("verdict", "sent", "answer", "number"), counts),
    ]
    bad = [(one._asdict(), verdict) for one, verdict in judged if verdict != "good"]
    times = [(one.event.name, one.begin, one.end) for one in happened]
    data = {"events": events, "times": times, "memory": samples, "answers": counts, "bad": bad}
    return Report("Soak", document, data, {}, failures)


def _row(name: str, lasted: str, judged: Sequence[tuple[Answer, str]]) -> tuple[str, ...]:
    verdicts = Counter(verdict for _, verdict in judged)
    numbers = (len(judged), verdicts["failed"], verdicts["excused"])
    seconds = (answer.ended - answer.due for answer, _ in judged)
    return name, lasted, *(f"{number:,}" for number in numbers), *waits(seconds)
