"""The virtual environments of the peers, which need packages that this project does not."""

import subprocess
import sys
import tomllib
from pathlib import Path

from benchmarks.common.programs import ProgramError
from model import PROJECT

NO_NOTICE = "--disable-pip-version-check"
ENVIRONMENTS = PROJECT / ".venv-benchmarks"
PINS = PROJECT / "pyproject.toml"


def prepare(group: str) -> Path:
    """Install a dependency group of pyproject.toml, unless it is installed, and return its Python.

    Raises:
        ProgramError: the environment can't be made, or a package can't be installed.
    """
    directory = ENVIRONMENTS / group
    python, stamp = directory / "bin" / "python", directory / "installed"
    if not python.exists():
        _run(sys.executable, "-m", "venv", "--clear", str(directory))
    if not stamp.exists() or stamp.stat().st_mtime < PINS.stat().st_mtime:
        print(f"Installing the peers in {directory} (2 GB, once; some minutes) ...", flush=True)
        for what in (["pip>=25.1"], ["--group", group]):
            _run(str(python), "-m", "pip", "install", NO_NOTICE, "--quiet", *what)
        stamp.touch()
    return python


def pins(group: str) -> dict[str, str]:
    """Return the versions that pyproject.toml asks for in a group."""
    groups = tomllib.loads(PINS.read_text())["dependency-groups"]
    return dict(pin.split("==") for pin in groups[group])


def _run(*command: str) -> None:
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        last = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["no message"]
        raise ProgramError(f"the peers' virtual environment can't be made: {last[0]}")
