"""What all benchmarks share: the command, the report, and the programs that are watched."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchmarks.common.command import Command
from benchmarks.common.programs import (
    ProgramError,
    process_tree,
    run_to_end,
    running,
    tree_memory,
    watch_memory,
)
from benchmarks.common.report import Report, first_line, processor, table
from benchmarks.serving.__main__ import COMMAND as SERVING
from benchmarks.training.__main__ import COMMAND as TRAINING
from benchmarks.under_fire.__main__ import COMMAND as UNDER_FIRE
from model.command_line import CommandError
from tests.helpers.waiting import wait_until

MEBIBYTE = 2**20
REPORT = Report("Trial", [table(("a", "b"), [("1",)])], {"runs": [1]}, {"with": "x"}, {})


def make_command(result: Report | BaseException) -> Command:
    def measure(_options: argparse.Namespace) -> Report:
        if isinstance(result, BaseException):
            raise result
        return result

    return Command("trial", "A trial.", (), measure)


@pytest.mark.parametrize(("failures", "code"), [({}, 0), ({"one": "it ended\nlast"}, 1)])
def test_a_report_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], failures: dict[str, str], code: int
) -> None:
    output = tmp_path / "results" / "trial.md"
    command = make_command(REPORT._replace(failures=failures))
    assert command.run(["--output", str(output)]) == code
    text = output.read_text()
    assert "| a | b |\n|---|---|\n| 1 |  |" in text
    assert text in capsys.readouterr().out
    for what, why in failures.items():
        assert f"## Failed: {what}\n\n```\n{why}\n```" in text
    document = json.loads(output.with_suffix(".json").read_text())
    assert document["runs"] == [1]
    assert document["failures"] == failures
    assert {"commit", "processor", "load before", "here", "with"} <= document["facts"].keys()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProgramError("no wrk"), 2),
        (subprocess.CalledProcessError(1, "pip"), 2),
        (CommandError("bad data"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    output = tmp_path / "trial.md"
    assert make_command(error).run(["--output", str(output)]) == code
    assert capsys.readouterr().err.startswith("benchmarks.trial: ")
    assert not output.exists()


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (TRAINING, ["--only", "somebody"], "--only"),
        (TRAINING, ["--epochs", "0"], "at least 1"),
        (SERVING, ["--pictures", "gif"], "--pictures"),
        (SERVING, ["--output", "result.txt"], "end in .md"),
        (UNDER_FIRE, ["--output", "README.md"], "exists already"),
    ],
)
def test_a_wrong_value_is_one_line_and_exit_code_2(
    error_line: Callable[[], str], command: Command, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.parse(arguments)
    assert message in error_line()


def test_a_program_that_fails_is_cited() -> None:
    program = "import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ProgramError, match="ended with code 3\none\ntwo"):
        run_to_end([sys.executable, "-c", program], {})


def test_an_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    # The worker inherits that SIGTERM is ignored.
    program = f"trap '' TERM; sleep 600 & trap - TERM; touch {ready}; wait"
    with suppress(KeyboardInterrupt), running(["sh", "-c", program], {}) as process:
        wait_until(ready.exists)
        tree = process_tree(process.pid)
        raise KeyboardInterrupt
    assert len(tree) == 2
    _gone, alive = psutil.wait_procs(tree, timeout=10)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


CHILD = "held = b'x' * (80 * 2**20); print('ready', flush=True); input()"
PARENT = f"""
import os, subprocess, sys
held = b"x" * (60 * 2**20)
if os.fork() == 0:  # it shares what its parent holds
    sys.stdin.readline()
    os._exit(0)
subprocess.run([sys.executable, "-c", {CHILD!r}], stdin=sys.stdin)
"""


def test_the_memory_of_a_tree_counts_all_processes_and_shared_pages_once() -> None:
    """60 MiB in a process, its fork that shares them, and 80 MiB in its child."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with watch_memory(process.pid) as samples:
            measured = tree_memory(process.pid)
            resident = sum(one.memory_info().rss for one in process_tree(process.pid))
        process.communicate("\n\n")
    assert min(measured, *samples) > 140 * MEBIBYTE
    if sys.platform == "linux":
        assert measured < 180 * MEBIBYTE < resident
    assert tree_memory(process.pid) == 0


def test_the_machine_is_described(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("model name\t: Fast One @ 2 GHz\nflags\t\t: avx2 avx512f avx512_bf16\n")
    assert processor(file) == "Fast One @ 2 GHz (avx2, avx512f, avx512_bf16)"
    assert processor(tmp_path / "missing")
    assert first_line("/not/there") == "unknown"
