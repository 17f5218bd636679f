"""The table of answers: a folder of Parquet files, each of which is written as a whole.

A file of Parquet can't be appended to. The folder also holds the list of all files, so that a run
that goes on after a kill sees the same ones.
"""

import fcntl
import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from model.atomic_file import remove_partial_files, write_atomically
from model.command_line import CommandError
from model.inference.card import ModelCard

# Name of the list of files; whoever reads a folder of Parquet files passes over underscores. Its
# first line says what the table is about, each other one is the path of a file, all in JSON.
LISTING_FILE_NAME = "_files.jsonl"
# Number of files that a process classifies at a time: a quarter of a second of one core's work.
CHUNK_FILES = 256
# Number of rows in a Parquet file, and seconds after which a smaller one is written.
PART_ROWS, PART_SECONDS = 8192, 10


class Table:
    """The answers for the files of a source, locked against other programs while it is entered.

    Attributes:
        folder: Where it is, or is going to be.
        files: Number of rows in the end.
        done: Number of rows that are written.
        schema: Its columns.
    """

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self.folder = folder
        self.files = self.done = 0
        self.schema = schema(card)
        self._parts: list[pa.Table] = []
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise CommandError(f"another program writes {self.folder}") from error
        remove_partial_files(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        remove_partial_files(self.folder)
        with suppress(OSError):
            # Nothing remains of a table that could not be begun.
            self.folder.rmdir()
        os.close(self._lock)

    def begin(self, about: dict[str, Any], files: Iterator[str]) -> None:
        """Write down the paths of all ``files``, or go on with those of a table that is there.

        Raises:
            CommandError: The folder holds something else than a table that is ``about`` the same.
        """
        listing = self.folder / LISTING_FILE_NAME
        if not listing.exists():
            if next(self.folder.iterdir(), None):
                raise CommandError(f"{self.folder} holds other files")
            lines = (json.dumps(line) + "\n" for line in chain([about], files))
            write_atomically(listing, lines)
        with listing.open() as stream:
            if json.loads(next(stream)) != about:
                raise CommandError(f"{self.folder} is about another folder, or of another model")
            self.files = sum(1 for _ in stream)
        for part in sorted(self.folder.glob("part-*")):
            if part != self._next_part():
                raise CommandError(f"{self.folder} lacks a part before {part.name}")
            self.done += pyarrow.parquet.read_metadata(part).num_rows

    def chunks(self) -> Iterator[list[str]]:
        """Yield the files that have no row yet, some at a time, each as a text in JSON."""
        with (self.folder / LISTING_FILE_NAME).open() as stream:
            remaining = islice(stream, 1 + self.done, None)
            while chunk := list(islice(remaining, CHUNK_FILES)):
                yield chunk

    def append(self, rows: pa.Table) -> None:
        """Add the rows of the next files; :meth:`flush` makes sure that they are written."""
        self._parts.append(rows)
        is_due = time.monotonic() - self._written > PART_SECONDS
        if is_due or sum(part.num_rows for part in self._parts) >= PART_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was appended."""
        if self._parts:
            rows, data = pa.concat_tables(self._parts), io.BytesIO()
            pyarrow.parquet.write_table(rows, data)
            write_atomically(self._next_part(), data.getvalue())
            self.done += rows.num_rows
        self._parts, self._written = [], time.monotonic()

    def _next_part(self) -> Path:
        return self.folder / f"part-{self.done:012}.parquet"

    def count_errors(self) -> int:
        """Return how many files could not be classified."""
        dataset = pyarrow.dataset.dataset(self.folder, self.schema)
        return int(dataset.count_rows(filter=~pyarrow.dataset.field("error").is_null()))


def schema(card: ModelCard) -> pa.Schema:
    """Return the columns of a model's answers."""
    error = [("code", pa.int16()), ("type", pa.string()), ("message", pa.string())]
    return pa.schema(
        {
            "path": pa.string(),
            "label": pa.string(),
            "confidence": pa.float32(),
            "known": pa.bool_(),
            **{f"probability_{name}": pa.float32() for name in card.class_names},
            "model": pa.string(),
            "version": pa.string(),
            "error": pa.struct(error),
        }
    )


def row(card: ModelCard, name: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a file, by column, for its REST answer or its error."""
    probabilities = answer.get("probabilities", {}).items()
    return {
        **answer,
        "path": name,
        **{f"probability_{label}": probability for label, probability in probabilities},
        "model": card.name,
        "version": card.version,
    }
