"""``model.predict --folder``: the table, whatever happens on the way to it."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.dataset
import pytest
from PIL import Image

from model import PROJECT
from model.bulk.table import PART_ROWS, Table
from model.bulk.workers import classify_here
from model.command_line import CommandError, available_cpus
from model.inference.classifier import read_network
from model.predict import main
from tests.helpers.pictures import SHIPPED_ARCHIVE, encode
from tests.helpers.waiting import wait_until

MODEL = ("--model", str(SHIPPED_ARCHIVE))


@pytest.fixture
def folder(tmp_path: Path, png: bytes) -> Path:
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for index, value in enumerate((0, 90, 255)):
        picture = Image.new("RGB", (40, 30), (value, 60, 120))
        (folder / "deep" / f"{index}.jpg").write_bytes(encode(picture, "JPEG"))
    (folder / "a.png").write_bytes(png)
    (folder / "broken.png").write_bytes(png[:99])
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_bytes(png)
    return folder


def read(table: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.dataset.dataset(table).to_table().to_pylist()
    return rows


def predict(folder: object, table: Path) -> int:
    return main(["--folder", str(folder), "--out", str(table), *MODEL])


def test_the_table_holds_the_answers_of_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(folder, tmp_path / "table") == 1
    assert "6 files, 2 of which could not be classified" in capsys.readouterr().out
    main(["--json", str(folder), *MODEL])
    answers = json.loads(capsys.readouterr().out)
    rows = read(tmp_path / "table")
    assert [row["path"] for row in rows] == [answer["file"] for answer in answers]
    for row, answer in zip(rows, answers, strict=True):
        assert row["error"] == answer.get("error")
        assert (row["model"], row["version"]) == ("cifar10", "1.0")
        assert row["known"] == answer.get("known")
        if "label" in answer:
            assert row["label"] == answer["label"]
            assert row["confidence"] == answer["confidence"]
            for name, probability in answer["probabilities"].items():
                assert row[f"probability_{name}"] == probability


@pytest.mark.skipif(sys.platform == "darwin", reason="its names of files are Unicode")
def test_a_name_that_is_not_unicode_has_a_row(folder: Path, tmp_path: Path, png: bytes) -> None:
    (folder / os.fsdecode(b"\xff.png")).write_bytes(png)
    predict(folder, tmp_path / "table")
    (row,) = [row for row in read(tmp_path / "table") if "xff" in row["path"]]
    assert row["path"] == f"{folder}/\\xff.png"
    assert row["error"] is None


def test_any_file_system_of_fsspec_gives_the_same_answers(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as written:
        for file in folder.rglob("*.*"):
            written.write(file, file.relative_to(folder))
    tables = []
    for number, url in enumerate((folder, f"file://{folder}", f"zip://::{archive}")):
        predict(url, tmp_path / str(number))
        rows = read(tmp_path / str(number))
        tables.append([{**row, "path": row["path"].rpartition("/")[2]} for row in rows])
    assert len(tables[0]) == 6
    assert tables[0] == tables[1] == tables[2]


def test_a_killed_run_goes_on_where_it_was_and_leaves_no_process(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for index in range(20_000):
        file = tmp_path / "pictures" / f"{index:05}.png"
        if index < 50:
            pixels = generator.integers(0, 256, (32, 32, 3), np.uint8)
            file.write_bytes(encode(Image.fromarray(pixels)))
        else:
            os.link(tmp_path / "pictures" / f"{index % 50:05}.png", file)
    table = tmp_path / "table"
    arguments = ["--folder", str(tmp_path / "pictures"), "--out", str(table), *MODEL]
    with subprocess.Popen([sys.executable, "-m", "model.predict", *arguments], cwd=PROJECT) as run:
        first, *_ = wait_until(lambda: [*table.glob("part-*")])
        workers = psutil.Process(run.pid).children()
        run.kill()
    psutil.wait_procs(workers, timeout=10)
    assert workers
    assert not any(worker.is_running() for worker in workers)
    assert pyarrow.dataset.dataset(table).count_rows() < 20_000
    written = first.stat().st_mtime_ns

    # What comes later is not in the list that the run began with.
    (tmp_path / "pictures" / "00000-later.png").write_text("")
    assert main(arguments) == 0
    rows = read(table)
    assert first.stat().st_mtime_ns == written
    names = [Path(row.pop("path")).stem for row in rows]
    assert len(names) == 20_000
    assert all(int(name) == index for index, name in enumerate(names))
    assert all(row == rows[index % 50] for index, row in enumerate(rows))
    assert len({row["confidence"] for row in rows[:50]}) > 40

    # And once more, when there is nothing left to do.
    before = {file: file.stat().st_mtime_ns for file in table.iterdir()}
    assert main(arguments) == 0
    assert {file: file.stat().st_mtime_ns for file in table.iterdir()} == before


def test_files_without_end_are_classified_in_bounded_memory(folder: Path) -> None:
    taken = 0

    def endless() -> Iterator[list[str]]:
        nonlocal taken
        for chunk in repeat([json.dumps(str(folder / "a.png"))]):
            taken += 1
            yield chunk

    answers = classify_here(read_network(SHIPPED_ARCHIVE), str(folder), endless())
    assert [rows.num_rows for rows in islice(answers, 50)] == [1] * 50
    assert taken < 50 + 4 * available_cpus() + 2
    answers.close()  # type: ignore[attr-defined]


def test_a_table_is_written_as_it_grows(tmp_path: Path) -> None:
    card = read_network(SHIPPED_ARCHIVE)[1]
    with Table(tmp_path / "table", card) as table:
        table.begin({}, map(str, range(3 * PART_ROWS)))
        for chunk in table.chunks():
            rows = pa.Table.from_pylist([{"path": file} for file in chunk], table.schema)
            table.append(rows)
        assert table.done == 3 * PART_ROWS
    _, second, _ = sorted((tmp_path / "table").glob("*.parquet"))
    second.unlink()
    with (
        Table(tmp_path / "table", card) as table,
        pytest.raises(CommandError, match="lacks a part"),
    ):
        table.begin({}, iter(()))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("missing", "missing is no folder with visible files"),
        ("nothing://bucket", "Protocol not known: nothing"),
        ("zip://::missing.zip", "can't be opened"),
        (f"zip://::{PROJECT}/README.md", "File is not a zip file"),
    ],
)
def test_a_folder_that_cannot_be_listed_is_one_line_and_leaves_nothing(
    url: str, problem: str, tmp_path: Path, error_line: Callable[[], str]
) -> None:
    assert predict(url, tmp_path / "table") == 2
    assert problem in error_line()
    assert not (tmp_path / "table").exists()


def test_a_table_of_something_else_is_left_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table"
    predict(folder, table)
    before = read(table)
    assert predict(folder / "deep", table) == 2
    assert "another folder" in capsys.readouterr().err
    with Table(table, read_network(SHIPPED_ARCHIVE)[1]):
        assert predict(folder, table) == 2
    assert "another program" in capsys.readouterr().err
    assert predict(table, folder) == 2
    assert "other files" in capsys.readouterr().err
    assert read(table) == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.png", "--folder", "b", "--out", "c"],
        ["--folder", "b"],
        ["a.png", "--out", "c"],
        ["a.png", "--ray", "here"],
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], error_line: Callable[[], str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    error_line()
