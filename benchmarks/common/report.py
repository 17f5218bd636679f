"""The report of a benchmark, as Markdown and as JSON, and where it was measured."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from model import PROJECT
from model.command_line import available_cpus

READING = "How to read this, and what is fair about it and what not: benchmarks/README.md."
PACKAGES = ("torch", "torchvision", "onnxruntime", "torchserve", "numpy", "pillow", "psutil")
NUMBER_FORMATS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
DESCRIBE = ("git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=, with changes")


class Report(NamedTuple):
    """What a benchmark found out.

    Attributes:
        title: The heading.
        parts: Pieces of Markdown, in order.
        data: Every single measurement, as JSON takes it.
        facts: How it was measured, besides the machine and the software of this environment.
        failures: Messages, by what failed.
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


def waits(seconds: Iterable[float]) -> list[str]:
    """Return median, 99th percentile and maximum of some times, as people read them."""
    ordered = sorted(seconds) or [0.0]
    at = (len(ordered) // 2, int(0.99 * len(ordered)), -1)
    return [f"{1000 * ordered[index]:.1f} ms" for index in at]


def mebibytes(count: float) -> str:
    """Return a number of bytes as people read it."""
    return f"{count / 2**20:,.0f} MiB"


def describe_machine() -> dict[str, str]:
    """Return date, commit, machine, load and software, each by its name."""
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    physical = psutil.cpu_count(logical=False)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": first_line(*DESCRIBE),
        "processor": processor(),
        "cores": f"{available_cpus()} to use, {physical} physical, {os.cpu_count()} logical",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": platform.platform(terse=True),
        "load before": f"{os.getloadavg()[0]:.2f} (average of a minute)",
        "here": f"python {platform.python_version()}, {packages}",
    }


def processor(file: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model, and which fast number formats it has."""
    text = file.read_text() if file.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    name = model[1] if model else platform.processor() or platform.machine()
    formats = [one for one in NUMBER_FORMATS if re.search(rf"\b{one}\b", text)]
    return f"{name} ({', '.join(formats)})" if formats else name


def first_line(*command: str) -> str:
    """Return the first line that a command prints; ``unknown`` where there is none."""
    with suppress(OSError, IndexError):
        result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        return (result.stdout or result.stderr).splitlines()[0]
    return "unknown"
