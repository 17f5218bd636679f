"""Only the run directory and temporary files are written to, as in a container."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import urllib3

from tests.helpers.server import SERVING_PYTHON, free_ports, start_serve, wait_for_line

# Everything becomes read-only, for this program and what it starts, but the folder of the test.
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"'


def test_serving_needs_no_file_system_that_it_can_write_to(tmp_path: Path, png: bytes) -> None:
    unshare = shutil.which("unshare")
    read_only = [str(unshare), "--mount", "sh", "-c", READ_ONLY, str(tmp_path)]
    if unshare is None or subprocess.run([*read_only, "true"], check=False).returncode != 0:
        pytest.skip("file systems can't be made read-only here")
    assert subprocess.run([*read_only, "touch", "serve.py"], check=False).returncode != 0
    ports = free_ports()
    program, *arguments = read_only
    process = start_serve(
        tmp_path, ports, Path(program), (*arguments, str(SERVING_PYTHON), "serve.py")
    )
    try:
        wait_for_line(process, "The model answers")
        url = f"http://127.0.0.1:{ports['WEBUI_PORT']}/predict"
        headers = {"Accept": "application/json", "Content-Type": "image/png"}
        assert urllib3.request("POST", url, body=png, headers=headers).status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
