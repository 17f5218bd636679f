"""The virtual environment of the peers, which need what this project does not."""

import subprocess
import sys
from pathlib import Path

from benchmarks.programs import PROJECT, ProgramError

GROUP = "training-benchmark"


def prepare(directory: Path = PROJECT / ".venv-benchmarks") -> Path:
    """Install the group ``training-benchmark`` of pyproject.toml, unless it is installed.

    Args:
        directory: of the virtual environment; made where it is missing.

    Returns:
        Its Python.

    Raises:
        ProgramError: it can't be made or something can't be installed.
    """
    python = directory / "bin" / "python"
    stamp = directory / f"{GROUP}.installed"
    if not python.exists():
        print(f"Creating a virtual environment in {directory.name}/ ...", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(directory)])
    pins = PROJECT / "pyproject.toml"
    if not stamp.exists() or stamp.stat().st_mtime < pins.stat().st_mtime:
        print(
            f"Installing TensorFlow and Keras in {directory.name}/ (some minutes and 2 GB, once) "
            "...",
            flush=True,
        )
        _install(python, "pip>=25.1")
        _install(python, "--group", GROUP)
        stamp.touch()
    return python


def _install(python: Path, *what: str) -> None:
    _run([str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *what])


def _run(command: list[str]) -> None:
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        last = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["no message"]
        raise ProgramError(f"the peers' virtual environment can't be made: {last[0]}")
