"""What all commands share: exit codes, parser, numbers in options, progress bar, wording."""

import argparse
import io
import math
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import NoReturn, TypeVar

from tqdm import tqdm

# Smallest and largest fraction between 0 and 1 that is shown as it is; see ``format_percentage``.
SMALLEST_SHOWN = 0.001
LARGEST_SHOWN = 0.999
# Unicode's categories of control characters, lone surrogates (which stand for bytes that are not
# UTF-8), line separators and paragraph separators.
UNPRINTABLE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
# Classes of the characters that turn the direction of all that follows them.
DIRECTION_CLASSES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

Item = TypeVar("Item")
# Function that takes a command line, by default that of the program, and returns the exit code.
Main = Callable[..., int]


class CommandError(ValueError):
    """A command can't do what it is asked to; the message says why, and what to do."""


def command(name: str) -> Callable[[Main], Main]:
    """Let a ``main`` that can't go on print one line and return 2, or 130 after Ctrl-C.

    That is so where the user or the system can help it: for ``CommandError`` and ``OSError``. Any
    other exception is a fault of this program, and keeps its traceback.
    """

    def decorate(main: Main) -> Main:
        @wraps(main)
        def run(arguments: Sequence[str] | None = None) -> int:
            tolerate_any_encoding()
            try:
                return main(arguments)
            except (CommandError, OSError) as error:
                print(f"{name}: error: {visible(error)}", file=sys.stderr)
                return 2
            except KeyboardInterrupt:
                print(f"{name}: interrupted", file=sys.stderr)
                return 130

        return run

    return decorate


@contextmanager
def expect_model(source: object) -> Iterator[None]:
    """Raise ``CommandError`` where the block can't load a ``source``: a run or an archive."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise CommandError(f"{source} is not a finished run or an archive ({error})") from error


def tolerate_any_encoding() -> None:
    """Escape characters on standard output that its encoding lacks, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and whose texts keep their line breaks."""

    def __init__(self, prog: str, description: str | None, epilog: str | None = None) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, None, description, epilog, formatter_class=formatter)

    def error(self, message: str) -> NoReturn:
        """Print ``message`` to stderr and exit with 2."""
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


def whole_number(least: int = 1, most: int | None = None) -> Callable[[str], int]:
    """Return a parser of whole numbers in plain digits within limits, for argparse's ``type``."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {least}")
        if most is not None and int(text) > most:
            raise argparse.ArgumentTypeError(f"{text} is more than {most}")
        return int(text)

    return parse


def number(
    *, least: float = -math.inf, above: float = -math.inf, below: float = math.inf
) -> Callable[[str], float]:
    """Return a parser of finite numbers within limits, for argparse's ``type``."""
    limits = {"at least": least, "above": above, "below": below}.items()
    wanted = " and ".join(f"{words} {limit:g}" for words, limit in limits if math.isfinite(limit))

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text} is not a number") from None
        # Every comparison with NaN is false, so NaN is refused as well.
        if not (least <= value and above < value < below):
            raise argparse.ArgumentTypeError(f"{text} is not {wanted}")
        return value

    return parse


def available_cpus() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def progress(items: Sequence[Item], description: str, unit: str, done: int = 0) -> Iterator[Item]:
    """Yield ``items`` one by one, with the bar of :func:`progress_bar`."""
    with progress_bar(done + len(items), description, unit, done) as bar:
        for item in items:
            yield item
            bar.update()


def progress_bar(total: int, description: str, unit: str, done: int) -> "tqdm[NoReturn]":
    """Return a progress bar on stderr, which is shown if that is a terminal.

    Of several processes that train together, only the first one shows a bar. ``done`` items were
    processed before.
    """
    is_first = os.environ.get("RANK", "0") == "0"
    return tqdm(
        None,
        description,
        total=total,
        initial=done,
        unit=f" {unit}",
        leave=False,
        disable=not (is_first and sys.stderr and sys.stderr.isatty()),
    )


def format_percentage(fraction: float) -> str:
    """Return a ``fraction`` in [0, 1] as a percentage that claims neither too much nor too little.

    Only a certain 1 is "100.0 %" and only a certain 0 is "0.0 %", as on the web page.
    """
    if 0 < fraction < SMALLEST_SHOWN:
        return "< 0.1 %"
    return "> 99.9 %" if LARGEST_SHOWN < fraction < 1 else f"{100 * fraction:.1f} %"


def is_printable(text: str) -> bool:
    """Return whether ``text`` can be shown on one line.

    Unlike ``str.isprintable``, this knows that Persian and Indic words and emoji have joiners, and
    that not all spaces are ASCII's.
    """
    return not any(
        unicodedata.category(character) in UNPRINTABLE_CATEGORIES
        or unicodedata.bidirectional(character) in DIRECTION_CLASSES
        for character in text
    )


def visible(name: object) -> str:
    r"""Return a name, such as a file's, with ``\n``, ``\x1b``, … for unprintable characters."""
    return "".join(
        character if is_printable(character) else character.encode("unicode_escape").decode()
        for character in str(name)
    )
