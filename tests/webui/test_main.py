"""``python -m webui``: the program that people start and stop."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from webui.__main__ import main
from webui.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "webui"]


@pytest.fixture(autouse=True)
def no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["webui"])


def test_help_lists_every_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["webui", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for setting in Settings.describe():
        assert f"{setting.variable} " in text
        assert f"{setting.help} (default: {setting.default})" in text


def test_wrong_setting_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBUI_PORT", "http")
    assert main() == 2
    assert re.fullmatch(r"webui: WEBUI_PORT must .*\n", capsys.readouterr().err)


def test_taken_port_is_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("WEBUI_PORT", str(port))
        assert main() == 1
    expected = rf"webui: cannot listen on 127\.0\.0\.1:{port}: .*\n"
    assert re.fullmatch(expected, capsys.readouterr().err)


def test_signals_end_it_cleanly() -> None:
    with ExitStack() as stack:
        # Both start at the same time.
        processes = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            process = subprocess.Popen(
                COMMAND,
                cwd=ROOT,
                env={**os.environ, "WEBUI_PORT": str(port)},
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.kill)
            processes.append((process, port))
        for (process, port), number in zip(processes, (signal.SIGTERM, signal.SIGINT), strict=True):
            assert process.stderr is not None
            assert f"http://127.0.0.1:{port}/" in process.stderr.readline()
            process.send_signal(number)
            _, rest = process.communicate(timeout=10)
            assert (process.returncode, rest) == (0, "")


def test_web_ui_imports_nothing_heavy() -> None:
    code = "import sys, webui.__main__; print(*{'torch', 'PIL', 'numpy'} & set(sys.modules))"
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert completed.stdout.strip() == ""
