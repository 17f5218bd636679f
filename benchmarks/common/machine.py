"""Where and with what something is measured: processor, memory, versions, commit."""

import os
import platform
import re
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmarks.common.report import versions
from model import PROJECT

PACKAGES = ("torch", "torchvision", "onnxruntime", "torchserve", "numpy", "pillow", "psutil")
NUMBER_FORMATS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
DESCRIBE = ("git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=, with changes")


def describe() -> dict[str, str]:
    """Return date, commit, machine, load and software, each by its name."""
    physical = psutil.cpu_count(logical=False)
    packages = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            packages[package] = version(package)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": first_line(*DESCRIBE),
        "processor": processor(),
        "cores": f"{available_cpus()} to use, {physical} physical, {os.cpu_count()} logical",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": platform.platform(terse=True),
        "load before": f"{os.getloadavg()[0]:.2f} (average of a minute)",
        "here": versions(packages),
    }


def available_cpus() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor(file: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model, and which fast number formats it has."""
    text = file.read_text() if file.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    name = model[1] if model else platform.processor() or platform.machine()
    formats = [one for one in NUMBER_FORMATS if re.search(rf"\b{one}\b", text)]
    return f"{name} ({', '.join(formats)})" if formats else name


def first_line(*command: str) -> str:
    """Return the first line that a command prints; ``unknown`` where there is none."""
    with suppress(OSError):
        result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        lines = (result.stdout or result.stderr).splitlines()
        return lines[0] if lines else "unknown"
    return "unknown"
