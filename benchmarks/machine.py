"""Where something was measured: processor, memory, versions, commit."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.programs import PROJECT

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "scikit-learn", "psutil")


def available_cpus() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, str]:
    """Return, by what it is: processor, cores, memory, system and load."""
    physical = psutil.cpu_count(logical=False)
    return {
        "processor": processor(),
        "cores": f"{available_cpus()} to use, {physical} physical, {os.cpu_count()} logical",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": platform.platform(terse=True),
        "load before": f"{os.getloadavg()[0]:.2f} (average of a minute)",
    }


def describe_software() -> dict[str, str]:
    """Return the versions of Python and the packages of this environment."""
    packages = {package: version(package) for package in PACKAGES}
    return {"python": platform.python_version(), **packages}


def processor(file: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model, and which fast number formats it has."""
    try:
        text = file.read_text()
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
    flags = [flag for flag in known if re.search(rf"\b{flag}\b", text)]
    name = model[1] if model else platform.machine()
    return f"{name} ({', '.join(flags)})" if flags else name


def commit(directory: Path = PROJECT) -> str:
    """Return the commit of the code, and whether it was changed since."""
    try:
        result = subprocess.run(
            ["git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=, with changes"],  # noqa: S607
            cwd=directory,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return result.stdout.strip()
