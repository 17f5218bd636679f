import importlib
import io
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import model.evaluate
import webui.languages
from model.command_line import OneLineParser, command, format_percentage, visible
from model.training import options
from tests.helpers.pictures import RED
from tests.helpers.training import FinishedRun


def test_percentages_are_the_web_pages() -> None:
    for fraction in (0.0, 1e-30, 0.00099999, 0.001, 0.0684, 0.999, 0.9990001, 1.0):
        assert format_percentage(fraction) == webui.languages.format_percentage(fraction)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a ship.png", "a ship.png"),
        ("Flößer 船\u3000👩\u200d🔬.png", "Flößer 船\u3000👩\u200d🔬.png"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\udcff", "\\udcff"),
        ("right\u202eleft", "right\\u202eleft"),
    ],
)
def test_a_name_is_shown_on_one_line(name: str, expected: str) -> None:
    assert visible(name) == expected


def run(module: str, *arguments: str) -> object:
    """Run a module as a program, and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *arguments])
        patch.delitem(sys.modules, module, raising=False)
        with pytest.raises(SystemExit) as exit_:
            runpy.run_module(module, run_name="__main__")
    return exit_.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        *(("model.archive",), ("model.evaluate",), ("model.from_keras",), ("model.predict",)),
        *(("model.predict", "--top-k", "0", "x"), ("model.predict", "--top-k", "two", "x")),
        ("train", "--unknown"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: tuple[str, ...], error_line: Callable[[], str]
) -> None:
    assert run(*arguments) == 2
    error = error_line()
    assert error.startswith(("python -m ", "train.py")[arguments[0] == "train"])
    assert ": error: " in error


def test_a_terminal_that_lacks_letters_gets_them_escaped(
    finished_run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "猫"
    folder.mkdir()
    run = finished_run.copy(folder)
    (folder / "a.png").write_bytes(RED)
    for module, line in {
        "model.archive": f"{run} --model-store {folder}",
        "model.evaluate": f"{run} --data {finished_run.pictures}",
        "model.predict": f"{folder}/a.png",
        "train": f"--data {finished_run.pictures} --runs {folder} --dry-run",
    }.items():
        output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", output)
        assert importlib.import_module(module).main(line.split()) == 0
        output.seek(0)
        assert "\\u732b" in output.read(), module


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("archive", "evaluate", "from_keras", "learning_curve", "predict"):
        assert run(f"model.{name}", "--help") == 0
        assert f"  python -m model.{name} " in capsys.readouterr().out
    assert run("train", "--help") == 0
    assert "  python train.py --data DIR" in capsys.readouterr().out


@pytest.mark.parametrize("parser", [model.evaluate.create_parser(), options.create_parser()])
def test_help_explains_every_option(parser: OneLineParser) -> None:
    for action in parser._actions:  # noqa: SLF001
        assert action.help is not None, action.option_strings
        assert len(action.help) > 12, action.option_strings


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    @command("model.trial")
    def main(_arguments: object) -> int:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        main()
