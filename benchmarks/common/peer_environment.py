"""The virtual environments of the peers, which need packages that this project does not."""

import subprocess
import sys
import tomllib
from pathlib import Path

from benchmarks.common.programs import ProgramError
from model import PROJECT

ENVIRONMENTS = PROJECT / ".venv-benchmarks"
PINS = PROJECT / "pyproject.toml"


def prepare(group: str) -> Path:
    """Install a dependency group of pyproject.toml, unless it is installed, and return its Python.

    Raises:
        ProgramError: The environment can't be made, or a package can't be installed.
    """
    directory = ENVIRONMENTS / group
    python, stamp = directory / "bin" / "python", directory / "installed"
    if stamp.exists() and stamp.stat().st_mtime >= PINS.stat().st_mtime:
        return python
    print(f"Installing the peers in {directory} (2 GB, once; some minutes) ...", flush=True)
    install = (python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet")
    for command in (
        (sys.executable, "-m", "venv", directory),
        (*install, "pip>=25.1"),
        (*install, "--group", group),
    ):
        result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            last = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["no message"]
            raise ProgramError(f"the peers' virtual environment can't be made: {last[0]}")
    stamp.touch()
    return python


def pins(group: str) -> str:
    """Return what pyproject.toml pins in a group."""
    return ", ".join(tomllib.loads(PINS.read_text())["dependency-groups"][group])
