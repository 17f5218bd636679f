"""The result of the training benchmark, as JSON and for people to read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.memory import METHOD
from benchmarks.summary import Ratio, Run, Summary, compare, summarise


@dataclass(frozen=True)
class Settings:
    """How it was measured; counts of images, epochs, rounds and threads.

    Attributes:
        target: validation accuracy in [0, 1] that the way is timed to.
        date: as YYYY-MM-DD.
    """

    data: str
    training_images: int
    validation_images: int
    epochs: int
    rounds: int
    threads: int
    target: float
    date: str
    commit: str


@dataclass(frozen=True)
class Result:
    """Everything that one benchmark found out.

    Attributes:
        contestants: that were asked for, in order.
        runs: of each contestant, by its name; none where it failed in the first round.
        failures: what a contestant said at its end, by its name.
        machine: what it ran on, by name.
        software: versions of this environment, by package.
    """

    settings: Settings
    machine: Mapping[str, str]
    software: Mapping[str, str]
    contestants: Sequence[Contestant]
    runs: Mapping[str, Sequence[Run]]
    failures: Mapping[str, str]

    def summary(self, contestant: Contestant) -> Summary | None:
        """Return a contestant's medians; None where it failed."""
        runs = self.runs.get(contestant.name)
        if not runs or contestant.name in self.failures:
            return None
        return summarise(runs, self.settings.target)

    def comparisons(self) -> dict[tuple[str, str], dict[str, Ratio | None]]:
        """Return the ratios by the names of ours and the peer, in order."""
        pairs = [
            (ours, peer)
            for ours in self.contestants
            for peer in self.contestants
            if ours.family == "ours" and peer.family != "ours"
        ]
        found = {}
        for ours, peer in pairs:
            our_summary, peer_summary = self.summary(ours), self.summary(peer)
            if our_summary and peer_summary:
                found[ours.name, peer.name] = compare(our_summary, peer_summary)
        return found

    def facts(self, contestant: Contestant) -> dict[str, Any]:
        """Return what a contestant said of itself."""
        runs = self.runs.get(contestant.name)
        return runs[0].facts if runs else {}


def to_json(result: Result) -> dict[str, Any]:
    """Return all of it, each epoch included, as JSON takes it."""
    contestants = []
    for contestant in result.contestants:
        summary = result.summary(contestant)
        contestants.append(
            {
                "name": contestant.name,
                "summary": asdict(summary) if summary else None,
                "failure": result.failures.get(contestant.name),
                "runs": [asdict(run) for run in result.runs.get(contestant.name, ())],
            }
        )
    ratios = [
        {
            "ours": ours,
            "peer": peer,
            **{name: asdict(ratio) if ratio else None for name, ratio in ratios.items()},
        }
        for (ours, peer), ratios in result.comparisons().items()
    ]
    return {
        "settings": asdict(result.settings),
        "machine": dict(result.machine),
        "software": dict(result.software),
        "memory_method": METHOD,
        "contestants": contestants,
        "ratios": ratios,
    }


def to_markdown(result: Result) -> str:
    """Return the tables and what must be known to read them."""
    settings = result.settings
    lines = [
        f"# Training, measured on {settings.date}",
        "",
        *_result_table(result),
        "",
        *_ratio_table(result),
        *(f"- {line}" for line in _reading(result)),
        "",
        "## Where and with what",
        "",
        *(f"- {name}: {value}" for name, value in result.machine.items()),
        f"- commit: {settings.commit}",
        f"- here: {versions(result.software)}",
        *_facts(result),
        *_failures(result),
    ]
    return "\n".join(lines) + "\n"


def _result_table(result: Result) -> list[str]:
    target = f"{result.settings.target:.0%}".replace("%", " %")
    rows = [
        (
            f"| program | seconds an epoch | peak memory | seconds to {target} | "
            "final validation accuracy | whole command |"
        ),
        "|---|---|---|---|---|---|",
    ]
    for contestant in result.contestants:
        summary = result.summary(contestant)
        if summary is None:
            rows.append(f"| {contestant.label} | failed | | | | |")
            continue
        cells = (
            contestant.label,
            f"{summary.epoch_seconds:.1f}",
            f"{summary.peak_memory / 2**20:,.0f} MiB",
            _way_to_target(summary, result.settings.epochs),
            f"{100 * summary.validation_accuracy:.2f} %",
            f"{summary.command_seconds:.0f} s",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _way_to_target(summary: Summary, epochs: int) -> str:
    if summary.seconds_to_target is None:
        return f"never in {count(epochs, 'epoch')} ({summary.training_seconds:.0f} s)"
    return f"{summary.seconds_to_target:.0f}"


def count(number: int, what: str) -> str:
    """Return a number of things in words, as in “1 round” or “3 rounds”."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _ratio_table(result: Result) -> list[str]:
    comparisons = result.comparisons()
    if not comparisons:
        return []
    labels = {contestant.name: contestant.label for contestant in result.contestants}
    rows = [
        "Ours divided by the peer's: below 1, ours needs less.",
        "",
        "| ours | peer | seconds an epoch | peak memory | seconds to the target |",
        "|---|---|---|---|---|",
    ]
    for (ours, peer), ratios in comparisons.items():
        cells = [labels[ours], labels[peer]]
        cells += [str(ratio) if ratio else "neither arrives" for ratio in ratios.values()]
        rows.append(f"| {' | '.join(cells)} |")
    return [*rows, ""]


def _reading(result: Result) -> list[str]:
    settings = result.settings
    counts = f"{settings.training_images:,} training and {settings.validation_images:,} validation"
    return [
        f"{settings.data}: {counts} images, the same for all; no test image was used.",
        f"{count(settings.epochs, 'epoch')} at batch 64, {settings.threads} threads, on the CPU.",
        f"One program after another; medians over {count(settings.rounds, 'round')}.",
        "Seconds an epoch: training and validation, median of the epochs without the first.",
        "Seconds to the target: all epochs up to the first whose validation accuracy is above it.",
        "Where a program never arrives, the ratio is a limit, from its whole time.",
        f"Peak memory: {METHOD}.",
        "Whole command: start, data and report included, which differ; for orientation only.",
    ]


def _facts(result: Result) -> list[str]:
    lines = []
    for contestant in result.contestants:
        facts = dict(result.facts(contestant))
        packages = facts.pop("versions", {})
        said = [f"{name} {value}" for name, value in facts.items()]
        said += [versions(packages)] if packages else []
        if said:
            lines.append(f"- {contestant.label}: {', '.join(said)}")
    return lines


def versions(packages: Mapping[str, str]) -> str:
    """Return packages and their versions in one line."""
    return ", ".join(f"{package} {number}" for package, number in packages.items())


def _failures(result: Result) -> list[str]:
    lines = []
    for contestant in result.contestants:
        message = result.failures.get(contestant.name)
        if message:
            lines += ["", f"## Failed: {contestant.label}", "", "```", message, "```"]
    return lines
