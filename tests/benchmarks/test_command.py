"""What all benchmarks share: the command, the report, and the programs that are watched."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.common.command import Command
from benchmarks.common.programs import (
    ProgramError,
    process_tree,
    running,
    take_turns,
    tree_memory,
    watch,
    watch_memory,
)
from benchmarks.common.report import Report, first_line, processor, table
from benchmarks.serving.__main__ import COMMAND as SERVING
from benchmarks.training.__main__ import COMMAND as TRAINING
from benchmarks.under_fire.__main__ import COMMAND as UNDER_FIRE

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
    [(ProgramError("no wrk"), 2), (ValueError("bad data"), 2), (KeyboardInterrupt(), 130)],
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
        (SERVING, ["--connections", "many"], "at least 1"),
        (SERVING, ["--pictures", "gif"], "--pictures"),
        (SERVING, ["--output", "result.txt"], "end in .md"),
        (UNDER_FIRE, ["--output", "README.md"], "exists already"),
    ],
)
def test_a_wrong_value_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], command: Command, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        command.parse(arguments)
    error = capsys.readouterr().err
    assert exit_.value.code == 2
    assert message in error
    assert error.count("\n") == 1


def test_a_contestant_that_fails_leaves_the_others_their_turns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_round: int) -> int:
        raise ProgramError("it ended with code 3")

    def succeed(number: int) -> int:
        return number

    results, failures = take_turns({"broken": fail, "working": succeed}, 2)
    assert results == {"working": [0, 1]}
    assert failures == {"broken": "it ended with code 3"}
    printed = capsys.readouterr()
    assert printed.out.count("working, round") == 2
    assert printed.err == "broken failed: it ended with code 3\n"


def test_a_program_that_fails_is_cited() -> None:
    program = "import sys; print('seen'); print('one\\ntwo', file=sys.stderr); sys.exit(3)"
    lines: list[str] = []
    with pytest.raises(ProgramError, match="code 3\none\ntwo"):
        watch([sys.executable, "-c", program], lines.append, {})
    assert lines == ["seen\n"]
    with pytest.raises(ProgramError, match="could not be started"), running(["/not/there"], {}):
        pass


def test_an_interrupt_leaves_nothing_running() -> None:
    program = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # in the worker, which inherits it
worker = os.fork()
if worker == 0:
    time.sleep(600)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
print(os.getpid(), worker, flush=True)
time.sleep(600)
"""
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.extend(map(int, line.split()))
        os.kill(os.getpid(), signal.SIGINT)

    # Shells let the programs that they start in the background ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            watch([sys.executable, "-c", program], interrupt, {})
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(pids) == 2
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _gone, alive = psutil.wait_procs(left, timeout=10)
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
