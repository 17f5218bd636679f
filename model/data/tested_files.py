"""The list of the files of a run's test split, which its folder keeps."""

from collections.abc import Sequence
from pathlib import Path

TEST_FILES_FILE_NAME = "test_files.txt"


def write_test_files(directory: Path, files: Sequence[str]) -> None:
    """Write the names of the files of a run's test split, one on each line."""
    # Names of files may contain line breaks, and bytes that are not UTF-8.
    text = "".join(f"{ascii(file)[1:-1]}\n" for file in files)
    (directory / TEST_FILES_FILE_NAME).write_text(text)


def read_test_files(directory: Path) -> list[str]:
    """Read these names; there are none where the run has no list of its test split."""
    recorded = directory / TEST_FILES_FILE_NAME
    lines = recorded.read_bytes().splitlines() if recorded.is_file() else []
    return [line.decode("unicode_escape") for line in lines]


def are_test_files(directory: Path, files: Sequence[str]) -> list[bool]:
    """Return for each file whether it is among those of :func:`write_test_files`.

    Where the run has no list of its test split, there are no answers.
    """
    names = set(read_test_files(directory))
    return [file in names for file in files] if names else []
