import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model import PROJECT
from model.images.limits import MAX_SIDE
from model.inference import files as file_answers
from model.inference.classifier import Classifier
from model.inference.files import find_files
from model.predict import main
from tests.helpers.pictures import SHIPPED_ARCHIVE, SHIPPED_ARCHIVES, encode

SHIP = PROJECT / "docs" / "ship.png"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(SHIPPED_ARCHIVES[-1])


def predict_as_json(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, list[dict[str, Any]]]:
    capsys.readouterr()
    code = main(["--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def test_json_is_the_rest_answer_with_the_file(
    capsys: pytest.CaptureFixture[str], classifier: Classifier
) -> None:
    code, answers = predict_as_json(capsys, str(SHIP))
    assert code == 0
    assert answers == [{"file": str(SHIP), **classifier.classify(SHIP.read_bytes())}]
    assert [*answers[0]][:4] == ["file", "label", "confidence", "probabilities"]


def test_the_table_shows_label_confidence_and_the_next_best(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(SHIP), "--top-k", "2", "--model", str(SHIPPED_ARCHIVE)]) == 0
    header, row = capsys.readouterr().out.splitlines()
    _, second, *_ = Classifier.load(SHIPPED_ARCHIVE).classify(SHIP.read_bytes())["probabilities"]
    assert header.split() == ["file", "label", "confidence", "next", "best"]
    assert row.split() == [str(SHIP), "ship", ">", "99.9", "%", second, "<", "0.1", "%"]


@pytest.mark.parametrize(("top_k", "shown"), [("1", 1), ("99", 10)])
def test_the_table_shows_as_many_classes_as_asked_for(
    capsys: pytest.CaptureFixture[str], top_k: str, shown: int
) -> None:
    assert main([str(SHIP), "--top-k", top_k]) == 0
    assert capsys.readouterr().out.splitlines()[1].count("%") == shown


def test_what_cannot_be_read_hides_nothing_else_in_batches_of_any_size(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, png: bytes
) -> None:
    monkeypatch.setattr(file_answers, "BATCH_SIZE", 2)
    (tmp_path / "a.png").write_bytes(png)
    (tmp_path / "b.txt").write_text("not a picture")
    (tmp_path / "c.png").write_bytes(b"")
    (tmp_path / "d.png").write_bytes(encode(Image.new("1", (1, MAX_SIDE + 1))))
    (tmp_path / "empty").mkdir()
    (tmp_path / "z.png").write_bytes(png)
    names = ["a.png", "b.txt", "c.png", "d.png", "empty", "missing", "z.png"]
    files = [str(tmp_path / name) for name in names]

    code, answers = predict_as_json(capsys, *files)
    assert code == 1
    assert [answer["file"] for answer in answers] == files
    assert [(answer["error"]["code"], answer["error"]["type"]) for answer in answers[1:6]] == [
        (415, "UnsupportedFormatError"),
        (400, "EmptyBodyError"),
        (413, "ImageTooLargeError"),
        (400, "IsADirectoryError"),
        (404, "FileNotFoundError"),
    ]
    assert all(list(answer["error"]) == ["code", "type", "message"] for answer in answers[1:6])

    assert main(files) == 1
    output = capsys.readouterr()
    assert [row.split()[0] for row in output.out.splitlines()[1:]] == [files[0], files[-1]]
    assert [line.split(": ")[1] for line in output.err.splitlines()] == files[1:-1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_what_may_not_be_read_is_an_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, png: bytes
) -> None:
    (tmp_path / "closed.png").write_bytes(png)
    (tmp_path / "closed.png").chmod(0)
    _, (answer,) = predict_as_json(capsys, str(tmp_path / "closed.png"))
    assert (answer["error"]["code"], answer["error"]["type"]) == (403, "PermissionError")


def test_a_file_beyond_the_limit_is_too_large(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_answers, "MAX_FILE_BYTES", SHIP.stat().st_size)
    assert predict_as_json(capsys, str(SHIP))[0] == 0
    monkeypatch.setattr(file_answers, "MAX_FILE_BYTES", SHIP.stat().st_size - 1)
    code, (answer,) = predict_as_json(capsys, str(SHIP))
    assert code == 1
    assert (answer["error"]["code"], answer["error"]["type"]) == (413, "ImageTooLargeError")


def test_a_folder_stands_for_the_visible_files_below_it(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", ".hidden", "deep/er/c.png", ".git/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "other").mkdir()
    found = find_files(["x.png", str(tmp_path), str(tmp_path / "other"), "-"])
    below = [str(tmp_path / name) for name in ("a.png", "b.png", "gone", "deep/er/c.png")]
    assert found == ["x.png", *below, str(tmp_path / "other"), "-"]


def test_odd_file_names_break_neither_table_nor_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, png: bytes
) -> None:
    for name in (b"two\nlines.png", b"\x1b[31m.png", "船 ü.png".encode()):
        (tmp_path / os.fsdecode(name)).write_bytes(png)
    (tmp_path / "odd\r\n.txt").write_text("not a picture")
    if sys.platform != "darwin":
        (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(png)
    files = find_files([str(tmp_path)])
    assert main([str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == len(files)
    assert len(output.err.splitlines()) == 1
    assert "\x1b" not in output.out
    assert [answer["file"] for answer in predict_as_json(capsys, str(tmp_path))[1]] == files


def test_standard_input_is_read_and_a_run_started_anywhere_finds_the_model(
    tmp_path: Path, png: bytes, classifier: Classifier
) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "model.predict", "--json", "-"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        input=png,
        capture_output=True,
        check=True,
    )
    assert result.stderr == b""
    assert json.loads(result.stdout) == [{"file": "-", **classifier.classify(png)}]


def test_nothing_is_kept_or_reported_elsewhere(tmp_path: Path) -> None:
    # ONNX Runtime would note an identifier and what it runs there, to send both to its makers.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "model.predict", str(SHIP)]
    subprocess.run(command, cwd=PROJECT, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_leaves_causes_no_message() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "model.predict", str(SHIP)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_another_model_answers_when_it_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "broken.mar").write_bytes(SHIPPED_ARCHIVE.read_bytes()[:-9999])
    for model in (tmp_path / "broken.mar", tmp_path, tmp_path / "missing", SHIP):
        assert main(["--model", str(model), str(SHIP)]) == 2
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.count("\n") == 1
        assert "--model" in output.err
    copy = tmp_path / "copy.mar"
    copy.write_bytes(SHIPPED_ARCHIVE.read_bytes())
    assert main(["--model", str(copy), str(SHIP)]) == 0
