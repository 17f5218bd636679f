"""The virtual environment of the peers, which need what this project does not."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from benchmarks.programs import PROJECT, ProgramError

NO_NOTICE = "--disable-pip-version-check"
ENVIRONMENTS = PROJECT / ".venv-benchmarks"


def prepare(group: str, environments: Path = ENVIRONMENTS) -> Path:
    """Install a dependency group of pyproject.toml, unless it is installed.

    Args:
        group: its name, also that of its virtual environment; which is made where it is missing.
        environments: directory of all of them.

    Returns:
        Its Python.

    Raises:
        ProgramError: it can't be made or something can't be installed.
    """
    directory = environments / group
    python = directory / "bin" / "python"
    stamp = directory / "installed"
    shown = f"{environments.name}/{group}/"
    if not python.exists():
        print(f"Creating a virtual environment in {shown} ...", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(directory)])
    pins = PROJECT / "pyproject.toml"
    if not stamp.exists() or stamp.stat().st_mtime < pins.stat().st_mtime:
        print(
            f"Installing what is compared with in {shown} (some minutes and 2 GB, once) ...",
            flush=True,
        )
        _install(python, "pip>=25.1")
        _install(python, "--group", group)
        stamp.touch()
    return python


def pins(group: str) -> dict[str, str]:
    """Return the versions that pyproject.toml asks for in a group."""
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]
    return dict(pin.split("==") for pin in groups[group])


def versions(group: str, environments: Path = ENVIRONMENTS) -> dict[str, str]:
    """Return the versions of all packages that are installed for a group."""
    python = environments / group / "bin" / "python"
    listing = _run([str(python), "-m", "pip", "list", "--format=json", NO_NOTICE])
    return {package["name"]: package["version"] for package in json.loads(listing)}


def _install(python: Path, *what: str) -> None:
    _run([str(python), "-m", "pip", "install", NO_NOTICE, "--quiet", *what])


def _run(command: list[str]) -> str:
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        last = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["no message"]
        raise ProgramError(f"the peers' virtual environment can't be made: {last[0]}")
    return result.stdout
