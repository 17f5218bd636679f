"""What the README and the other documents say is so: settings, links and commands."""

import argparse
import importlib
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from torch.distributed.run import get_args_parser

from model import PROJECT
from webui.openapi.view import DOCUMENT
from webui.settings import Settings

MAX_README_LINES = 130
README = PROJECT / "README.md"
DOCUMENTS = [
    README,
    PROJECT / "SECURITY.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    PROJECT / "benchmarks" / "README.md",
]
# Fenced code with the name of its language, and indented code.
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?:    .*\n(?:\n(?=    ))?)+")
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ASSIGNMENT = re.compile(r"([A-Z_]+)=")
GROUPS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["dependency-groups"]
MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
MAKE_VARIABLES = {
    *re.findall(r"^([A-Z_]+) [?:]=", MAKEFILE, re.MULTILINE),
    *("NEW_LANGUAGE", "RUN", "ARGS"),
}
# Names of what may be set for a command; the last one is pip's.
VARIABLES = {
    *(setting.variable for setting in Settings.describe()),
    *MAKE_VARIABLES,
    "PIP_EXTRA_INDEX_URL",
}
PROGRAMS = {"make", "python", "python3", "torchrun"}


def prose(text: str) -> str:
    return INDENTED.sub("", FENCED.sub("", text))


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings."""
    headings = HEADING.findall(FENCED.sub("", document.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command in code blocks, and of every Python or make command elsewhere."""
    blocks = [code for language, code in FENCED.findall(text) if language in {"", "sh"}]
    blocks += INDENTED.findall(FENCED.sub("", text))
    lines = "\n".join(blocks).replace("\\\n", "").splitlines()
    lines += [
        code for code in INLINE.findall(prose(text)) if re.match("python|make|torchrun", code)
    ]
    for line in lines:
        tokens = shlex.shlex(line, posix=True, punctuation_chars=True)
        tokens.whitespace_split = True
        command: list[str] = []
        for token in [*tokens, ";"]:
            if not set(token) <= set("();<>|&$"):
                command.append(token)
            elif command:
                yield command
                command = []


def problem(command: list[str]) -> str:
    """What is wrong with a command, empty if nothing is; the command does not run."""
    while len(command) > 1 and (assignment := ASSIGNMENT.match(command[0])):
        if assignment[1] not in VARIABLES:
            return f"there is no variable {assignment[1]}"
        command = command[1:]
    match command:
        case ["make", *words]:
            unknown = {word.partition("=")[0] for word in words} - TARGETS - VARIABLES
            return f"the Makefile has no {unknown}" if unknown else ""
        case ["torchrun", *arguments]:
            options = get_args_parser().parse_args(arguments)
            return problem(["python", options.training_script, *options.training_script_args])
        case ["python" | "python3", "-c", code]:
            compile(code, "-c", "exec")
        case ["python" | "python3", "-m", module, *arguments]:
            return problem_of_module(module, arguments)
        case ["python" | "python3", script, *arguments]:
            return problem_of_module(script.removesuffix(".py"), arguments)
    return ""


def problem_of_module(name: str, arguments: list[str]) -> str:
    if (name, *arguments[:-1]) == ("pip", "install", "--group"):
        return "" if arguments[-1] in GROUPS else f"there is no group {arguments[-1]}"
    try:
        module = importlib.import_module(name)
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"{name}.__main__")
    except ModuleNotFoundError as error:
        return str(error)
    if not hasattr(module, "COMMAND") and not hasattr(module, "main"):
        return f"{name} takes no arguments" if arguments else ""
    # The main function of a benchmark also sets signal handlers, which would stay.
    main = module.COMMAND.parse if hasattr(module, "COMMAND") else module.main
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *arguments])
        for method in ("parse_args", "parse_intermixed_args"):
            patch.setattr(argparse.ArgumentParser, method, parse_and_exit)
        with pytest.raises(SystemExit) as end:
            main()
    return f"{name} refuses {arguments}" if end.value.code else ""


def parse_and_exit(parser: argparse.ArgumentParser, *arguments: Any) -> NoReturn:
    """Stand in for ``parse_args``, so that a command ends where its work would begin."""
    _, unknown = parser.parse_known_args(*arguments)
    parser.exit(2 if unknown else 0)


COMMANDS = {
    shlex.join(command): command
    for document in DOCUMENTS
    for command in commands(document.read_text())
    if PROGRAMS & set(command)
}


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= MAX_README_LINES


def test_every_setting_is_in_the_table_with_its_default() -> None:
    table = (PROJECT / "docs" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", table, re.MULTILINE))
    settings = {setting.variable: setting.default for setting in Settings.describe()}
    assert {name: rows[name] for name in rows if name not in MAKE_VARIABLES} == settings


def test_every_error_is_in_a_table() -> None:
    described = DOCUMENT["components"]["schemas"]["Error"]["properties"]["type"]["oneOf"]
    # The document is the web UI's, which sends no parameter that could be wrong.
    types = {each["const"] for each in described} | {"InvalidParameterError"}
    rows = "".join(
        re.findall(r"^\| [45].*", (PROJECT / "docs" / "api.md").read_text(), re.MULTILINE)
    )
    assert types - set(INLINE.findall(rows)) == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    links = [link for link in LINK.findall(prose(document.read_text())) if "://" not in link]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_is_understood(command: list[str]) -> None:
    assert problem(command) == ""


@pytest.mark.parametrize(
    "command",
    [
        "python train.py --epoch-count 10",
        "python train.py --recipe reference",
        "torchrun --nproc-per-node 4 train.py --date DIR",
        "python -m model.archive --force",
        "python -m model.archive runs/NAME --versions 2.0",
        "python -m model.from_keras net.keras --class-names a b c",
        "python -m pip install --group tensorflow",
        "python -m model.classifier",
        "python server.py",
        "python serve.py --port 8000",
        "make serv",
        "make fuzz SECONDS=60",
        "WEB_PORT=8000 make serve",
    ],
)
def test_a_wrong_command_is_noticed(command: str) -> None:
    [words] = commands(f"\n\n    {command}\n")
    assert problem(words) != ""
