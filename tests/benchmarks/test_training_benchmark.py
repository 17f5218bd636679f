"""What the training benchmark makes of its measurements, and one real run of a peer."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import torch

from benchmarks import training
from benchmarks.contestants import CONTESTANTS
from benchmarks.machine import commit, processor
from benchmarks.memory import PeakMemory, tree_memory
from benchmarks.output import default_output
from benchmarks.peers.protocol import Arrays
from benchmarks.programs import ProgramError, watch
from benchmarks.report import Result, Settings, to_json, to_markdown
from benchmarks.summary import (
    Epoch,
    Ratio,
    Run,
    compare,
    seconds_to_target,
    summarise,
    target_ratio,
    typical_epoch_seconds,
)
from model.data import load_folders
from model.splits import split_training_images
from tests.serving import PROJECT

MakeFolder = Callable[..., Path]
MEBIBYTE = 2**20


def make_epochs(*measured: tuple[float, float]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(index, seconds, accuracy) for index, (seconds, accuracy) in enumerate(measured, 1)
    )


def make_run(*measured: tuple[float, float], memory: int = 100 * MEBIBYTE) -> Run:
    return Run(make_epochs(*measured), memory, sum(seconds for seconds, _ in measured) + 5)


FAST = make_run((6, 0.5), (2, 0.66), (4, 0.7))
SLOW = make_run((30, 0.4), (20, 0.6), (20, 0.68), memory=400 * MEBIBYTE)
NEVER = make_run((50, 0.3), (40, 0.5), (30, 0.65), memory=200 * MEBIBYTE)


def make_result(**runs: list[Run]) -> Result:
    settings = Settings("CIFAR-10", 45000, 5000, 3, 1, 2, 0.65, "2026-01-02", "abc")
    named = {name.replace("_", "-"): values for name, values in runs.items()}
    chosen = [one for one in CONTESTANTS if one.name in named]
    failures = {one.name: "it ended with code 3\nlast" for one in chosen if not named[one.name]}
    return Result(settings, {"cores": "2"}, {"torch": "1"}, chosen, named, failures)


def test_the_first_epoch_warms_up_and_counts_only_where_it_is_the_only_one() -> None:
    assert typical_epoch_seconds(make_epochs((9, 0), (1, 0), (2, 0), (4, 0))) == 2
    assert typical_epoch_seconds(make_epochs((9, 0))) == 9


def test_the_way_to_the_target_ends_with_the_first_epoch_above_it() -> None:
    assert seconds_to_target(FAST.epochs, 0.65) == 8
    assert seconds_to_target(FAST.epochs, 0.49) == 6
    assert seconds_to_target(FAST.epochs, 0.7) is None


def test_rounds_are_summarised_by_their_medians() -> None:
    summary = summarise([FAST, SLOW, NEVER], 0.65)
    assert summary.epoch_seconds == 20
    assert summary.peak_memory == 200 * MEBIBYTE
    assert summary.seconds_to_target == 70
    assert summary.training_seconds == 70
    assert summary.validation_accuracy == 0.68
    assert summary.command_seconds == 75


@pytest.mark.parametrize("runs", [[NEVER], [FAST, NEVER], [FAST, NEVER, NEVER]])
def test_a_target_missed_in_half_of_the_rounds_is_never_reached(runs: list[Run]) -> None:
    assert summarise(runs, 0.65).seconds_to_target is None


@pytest.mark.parametrize(
    ("ours", "peer", "expected"),
    [
        (FAST, SLOW, Ratio(8 / 70)),
        (FAST, NEVER, Ratio(8 / 120, "below")),
        (NEVER, SLOW, Ratio(120 / 70, "above")),
        (NEVER, NEVER, None),
    ],
)
def test_the_ratio_to_a_program_that_never_arrives_is_a_limit(
    ours: Run, peer: Run, expected: Ratio | None
) -> None:
    assert target_ratio(summarise([ours], 0.65), summarise([peer], 0.65)) == expected


def test_ratios_are_ours_divided_by_the_peers() -> None:
    ratios = compare(summarise([FAST], 0.65), summarise([SLOW], 0.65))
    assert ratios["epoch_seconds"] == Ratio(3 / 20)
    assert ratios["peak_memory"] == Ratio(0.25)
    assert [str(ratio) for ratio in ratios.values()] == ["0.15", "0.25", "0.11"]
    assert str(Ratio(0.066, "below")) == "below 0.07"


def test_the_tables_hold_every_program_and_every_pair() -> None:
    text = to_markdown(make_result(ours_reference=[FAST], keras=[SLOW], torchvision=[NEVER]))
    assert "| ours, recipe `reference` | 3.0 | 100 MiB | 8 | 70.00 % | 17 s |" in text
    assert "| never in 3 epochs (120 s) |" in text
    assert "| ours, recipe `reference` | torchvision and DataLoader | 0.09 | 0.50 | below 0.07" in (
        text
    )
    assert text.count("| ours, recipe `reference` |") == 3
    assert "45,000 training" in text


def test_a_failed_program_is_told_of_and_compared_with_nothing() -> None:
    result = make_result(ours_reference=[FAST], keras=[])
    text = to_markdown(result)
    assert "| the original, Keras on TensorFlow | failed |" in text
    assert "it ended with code 3\nlast" in text
    assert result.comparisons() == {}


def test_the_json_holds_every_epoch() -> None:
    document = json.loads(json.dumps(to_json(make_result(ours_reference=[FAST], keras=[NEVER]))))
    assert document["contestants"][0]["runs"][0]["epochs"][1] == {
        "epoch": 2,
        "seconds": 2,
        "validation_accuracy": 0.66,
    }
    assert document["contestants"][1]["summary"]["seconds_to_target"] is None
    assert document["ratios"][0]["seconds_to_target"]["bound"] == "below"


CHILD = "held = b'x' * (80 * 2**20); print('ready', flush=True); input()"
PARENT = f"""
import os, subprocess, sys
held = b"x" * (60 * 2**20)
if os.fork() == 0:  # it shares what its parent holds
    sys.stdin.readline()
    os._exit(0)
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdin=sys.stdin)
child.wait()
"""


@contextmanager
def running_tree() -> Iterator["subprocess.Popen[str]"]:
    """A process that holds 60 MiB, its fork that shares them, and its child that holds 80 MiB."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.communicate("\n\n")


def test_the_memory_of_a_tree_counts_all_processes_and_shared_pages_once() -> None:
    with running_tree() as process:
        measured = tree_memory(process.pid)
        tree = [psutil.Process(process.pid)]
        tree += tree[0].children(recursive=True)
        resident = sum(one.memory_info().rss for one in tree)
    assert len(tree) == 3
    assert measured > 140 * MEBIBYTE
    if sys.platform == "linux":
        assert measured < 180 * MEBIBYTE < resident


def test_the_peak_outlives_the_processes() -> None:
    with running_tree() as process:
        deadline = time.monotonic() + 30
        with PeakMemory(process.pid) as memory:
            while not memory.peak and time.monotonic() < deadline:
                time.sleep(0.01)
    assert memory.peak > 140 * MEBIBYTE
    assert tree_memory(process.pid) == 0


def test_a_program_that_fails_is_told_of_with_its_last_lines() -> None:
    program = "import sys; print('seen'); print('one\\ntwo', file=sys.stderr); sys.exit(3)"
    lines: list[str] = []
    with pytest.raises(ProgramError, match="code 3\none\ntwo"):
        watch([sys.executable, "-c", program], lines.append, {})
    assert lines == ["seen\n"]


def test_a_program_that_is_not_there_is_told_of() -> None:
    with pytest.raises(ProgramError, match="could not be started"):
        watch(["/does/not/exist"], print, {})


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
    _gone, alive = psutil.wait_procs(
        [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=10
    )
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def test_the_processor_is_named_with_the_number_formats_it_is_fast_at(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("model name\t: Fast One @ 2 GHz\nflags\t\t: avx2 avx512f avx512_bf16\n")
    assert processor(file) == "Fast One @ 2 GHz (avx2, avx512f, avx512_bf16)"
    assert processor(tmp_path / "missing")


def test_a_folder_outside_git_has_no_commit(tmp_path: Path) -> None:
    assert commit(tmp_path) == "unknown"


def test_the_peers_get_the_very_split_of_train_py(
    make_image_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_image_folder()
    options = training.parse_options(["--data", str(folder), "--validation-images", "4"])
    assert training.write_arrays(options, tmp_path) == (20, 4)
    images = load_folders(folder, 32).train
    indices_by_split = split_training_images(images.labels, ["night", "snow"], 4, None)
    for split, indices in zip(("training", "validation"), indices_by_split, strict=True):
        arrays = Arrays.load(tmp_path, split)
        assert torch.equal(torch.from_numpy(arrays.labels), images.labels[indices])
        pixels = torch.from_numpy(arrays.pixels).permute(0, 3, 1, 2)
        assert torch.equal(pixels, images.pixels[indices])


def test_a_limit_keeps_every_class_and_the_validation_split(
    make_image_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_image_folder()
    options = ["--data", str(folder), "--validation-images", "4", "--limit", "6"]
    assert training.write_arrays(training.parse_options(options), tmp_path) == (6, 4)
    assert Arrays.load(tmp_path, "training").labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_second_result_of_a_day_gets_a_name_of_its_own(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        file = default_output("training", tmp_path)
        file.touch()
        names.append(file.stem)
    assert [name.removeprefix(names[0]) for name in names] == ["", "-2", "-3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "/does/not/exist"], "no folder"),
        (["--only", "somebody"], "--only"),
        (["--epochs", "0"], "at least 1"),
        (["--rounds", "many"], "at least 1"),
        (["--output", "result.txt"], "end in .md"),
        (["--output", str(PROJECT / "README.md")], "exists already"),
    ],
)
def test_a_wrong_value_is_one_clear_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        training.parse_options(arguments)
    error = capsys.readouterr().err
    assert exit_.value.code == 2
    assert message in error
    assert error.count("\n") == 1


def test_data_that_cannot_be_used_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.md"
    assert training.main(["--data", str(tmp_path), "--output", str(result)]) == 2
    error = capsys.readouterr().err
    assert "no class folders" in error
    assert error.count("\n") == 1
    assert not result.exists()


def test_ours_and_the_torchvision_loop_run_and_are_compared(
    make_image_folder: MakeFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = ["ours-reference", "torchvision"]
    contestants = tuple(one for one in CONTESTANTS if one.name in chosen)
    monkeypatch.setattr(training, "CONTESTANTS", contestants)
    folder = make_image_folder()
    output = folder.parent / "results" / "trial.md"
    arguments = ["--data", folder, "--validation-images", 4, "--epochs", 2, "--output", output]
    assert training.main([str(argument) for argument in arguments]) == 0
    printed = capsys.readouterr().out
    assert printed.count("epoch  2/2") == 2

    document = json.loads(output.with_suffix(".json").read_text())
    assert [contestant["name"] for contestant in document["contestants"]] == chosen
    for contestant in document["contestants"]:
        (run,) = contestant["runs"]
        assert [epoch["epoch"] for epoch in run["epochs"]] == [1, 2]
        assert run["peak_memory"] > 100 * MEBIBYTE
        assert run["command_seconds"] > sum(epoch["seconds"] for epoch in run["epochs"])
    assert len(document["ratios"]) == 1
    assert output.read_text() in printed


def test_a_program_that_fails_leaves_the_others_their_turn(
    make_image_folder: MakeFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_arguments: object) -> Run:
        raise ProgramError("it ended with code 3")

    def succeed(*_arguments: object) -> Run:
        return FAST

    keras = next(one for one in CONTESTANTS if one.name == "keras")
    failing = type(keras)("broken", "broken", "ours", fail)
    working = type(keras)("working", "working", "keras", succeed)
    monkeypatch.setattr(training, "CONTESTANTS", (failing, working))
    folder = make_image_folder()
    output = folder.parent / "result.md"
    arguments = ["--data", folder, "--validation-images", 4, "--rounds", 2, "--output", output]
    assert training.main([str(argument) for argument in arguments]) == 1
    assert capsys.readouterr().err == "broken failed: it ended with code 3\n"
    assert "| broken | failed |" in output.read_text()
    assert len(json.loads(output.with_suffix(".json").read_text())["contestants"][1]["runs"]) == 2


def test_help_explains_every_option() -> None:
    for action in training.create_parser()._actions:  # noqa: SLF001
        assert action.help is not None, action.option_strings
        assert len(action.help) > 12, action.option_strings
