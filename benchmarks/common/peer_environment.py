"""The virtual environments of the peers, which need packages that this project does not."""

import subprocess
import sys
import tomllib
from pathlib import Path

from model import PROJECT

PINS = PROJECT / "pyproject.toml"


def prepare(group: str) -> Path:
    """Install a dependency group of pyproject.toml, unless it is installed, and return its Python.

    Raises:
        subprocess.CalledProcessError: The environment can't be made; pip has said why.
    """
    directory = PROJECT / ".venv-benchmarks" / group
    python, stamp = directory / "bin" / "python", directory / "installed"
    if not stamp.exists() or stamp.stat().st_mtime < PINS.stat().st_mtime:
        print(f"Installing the peers in {directory} (2 GB, once; some minutes) ...", flush=True)
        install = (python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet")
        subprocess.run((sys.executable, "-m", "venv", directory), check=True)
        subprocess.run((*install, "pip>=25.1"), check=True)
        subprocess.run((*install, "--group", group), cwd=PROJECT, check=True)
        stamp.touch()
    return python


def pins(group: str) -> str:
    """Return what pyproject.toml pins in a group."""
    return ", ".join(tomllib.loads(PINS.read_text())["dependency-groups"][group])
