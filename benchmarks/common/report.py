"""The report of a benchmark, as Markdown and as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

READING = "How to read this, and what is fair about it and what not: benchmarks/README.md."


class Report(NamedTuple):
    """What a benchmark found out.

    Attributes:
        title: the heading.
        parts: pieces of Markdown, in order.
        data: every single measurement, as JSON takes it.
        facts: how it was measured, besides the machine and the software of this environment.
        failures: messages, by what failed.
    """

    title: str
    parts: Sequence[str]
    data: Mapping[str, Any]
    facts: Mapping[str, object]
    failures: Mapping[str, str]

    def to_markdown(self) -> str:
        """Return all of it as a document."""
        facts = "\n".join(f"- {name}: {value}" for name, value in self.facts.items())
        failed = (f"## Failed: {what}\n\n```\n{why}\n```" for what, why in self.failures.items())
        where = ("## How it was measured", READING, facts)
        return "\n\n".join([f"# {self.title}", *self.parts, *where, *failed]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; rows that are too short end with empty cells."""
    filled = [[*row, *[""] * (len(header) - len(row))] for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in [header, *filled]]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]])


def versions(packages: Mapping[str, str]) -> str:
    """Return packages and their versions in one line."""
    return ", ".join(f"{package} {number}" for package, number in packages.items())


def mebibytes(count: float) -> str:
    """Return a number of bytes as people read it."""
    return f"{count / 2**20:,.0f} MiB"
