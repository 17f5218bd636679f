"""What the serving benchmark makes of its measurements, and one real load on the real server."""

import base64
import io
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from PIL import Image

from benchmarks import serving
from benchmarks.load import Load, Request, find_wrk, parse_output, put_load
from benchmarks.pictures import large_picture, questions, small_picture
from benchmarks.programs import ProgramError, running
from benchmarks.servers import (
    ARCHIVE,
    CONTESTANTS,
    Contestant,
    Server,
    base64_json,
    compare_answers,
    largest_difference,
    multipart,
    raw,
    wait_until_idle,
)
from benchmarks.serving_report import Figures, Result, Run, Settings, to_json, to_markdown
from model.classifier import Classifier
from tests.serving import PROJECT

MEBIBYTE = 2**20
WRK_OUTPUT = """\
Running 2s test @ http://127.0.0.1:9000/predict
Requests/sec:    500.00
{"p50": 1500, "p99": 20000, "requests": 1000, "duration": 2000000, "connect": 0, "read": 0, \
"write": 0, "status": 0, "timeout": 0}
"""
needs_wrk = pytest.mark.skipif(
    shutil.which("wrk") is None, reason="wrk is not installed: sudo apt-get install wrk"
)


def make_run(p50: float, rate: int, memory: int = 100 * MEBIBYTE) -> Run:
    load = Load(8, p50, 3 * p50, 2 * rate, 2.0, {})
    return Run(5.0, 1e-6, memory, 2 * memory, {"png": [load]})


def make_result(failures: dict[str, str] | None = None, **runs: list[Run]) -> Result:
    labels = {one.name: one.label for one in CONTESTANTS if one.name in runs}
    settings = Settings({"png": "32×32 PNG"}, {"png": 1460}, [8], 2, 3, "2026-01-02", "abc")
    versions = {"onnxruntime": "2"}
    return Result(
        settings, labels, runs, failures or {}, {"cores": "2"}, {"torch": "1"}, versions, versions
    )


def test_wrk_tells_times_requests_and_seconds() -> None:
    load = parse_output(WRK_OUTPUT, 8)
    assert load == Load(8, 0.0015, 0.02, 1000, 2.0, {})
    assert load.requests_per_second == 500


@pytest.mark.parametrize("kind", ["connect", "read", "write", "status", "timeout"])
def test_every_kind_of_error_is_counted(kind: str) -> None:
    load = parse_output(WRK_OUTPUT.replace(f'"{kind}": 0', f'"{kind}": 3'), 8)
    assert load.errors == {kind: 3}


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("unable to connect", "no result"),
        (WRK_OUTPUT.replace('"requests": 1000', '"requests": 0'), "nothing was answered"),
    ],
)
def test_a_load_without_answers_is_told_of(output: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        parse_output(output, 1)


def test_rounds_come_to_their_medians_and_ratios_are_ours_divided_by_the_peers() -> None:
    result = make_result(
        ours=[make_run(0.001, 4000), make_run(0.002, 6000), make_run(0.009, 1000)],
        fastapi=[make_run(0.004, 2000)],
    )
    assert result.figures("ours", "png", 8) == Figures(0.002, 0.006, 4000)
    assert result.ratios("fastapi", "png", 8) == Figures(0.5, 0.5, 2.0)
    assert result.ratios("ours", "png", 8) is None


def test_the_tables_hold_every_server() -> None:
    text = to_markdown(make_result(ours=[make_run(0.001, 4000)], fastapi=[make_run(0.004, 50)]))
    assert "| 8 | ours, TorchServe | 1.00 ms | 3.00 ms | 4,000 | | | |" in text.replace("|  ", "| ")
    peer = "FastAPI and ONNX Runtime, 2 processes"
    assert f"| 8 | {peer} | 4.00 ms | 12.00 ms | 50.0 | 0.25 | 0.25 | 80.00 |" in text
    assert f"| {peer} | 100 MiB | 200 MiB | 5.0 s | 1e-06 |" in text
    assert "medians over 3 rounds" in text


def test_a_failed_server_has_no_figures_even_where_some_rounds_went_well() -> None:
    runs = {"ours": [make_run(0.001, 4000)], "fastapi": [make_run(0.004, 2000)]}
    result = make_result({"fastapi": "errors under load: 3 status"}, **runs)
    text = to_markdown(result)
    assert "| 8 | FastAPI and ONNX Runtime, 2 processes | failed |" in text
    assert "errors under load: 3 status" in text
    assert "4.00 ms" not in text
    document = json.loads(json.dumps(to_json(result)))
    assert document["servers"][1]["failure"] == "errors under load: 3 status"
    assert [one["medians"] is None for one in document["summaries"]] == [False, True]


def test_the_json_holds_every_load() -> None:
    document = json.loads(json.dumps(to_json(make_result(ours=[make_run(0.001, 4000)]))))
    (load,) = document["servers"][0]["runs"][0]["loads"]["png"]
    assert load["requests"] == 8000
    assert load["errors"] == {}


def test_the_pictures_are_what_they_are_called_and_the_same_each_time() -> None:
    small, large = small_picture(), large_picture()
    with Image.open(io.BytesIO(small.data)) as image:
        assert (image.format, image.size) == ("PNG", (32, 32))
    with Image.open(io.BytesIO(large.data)) as image:
        assert (image.format, image.width * image.height) == ("JPEG", 12_000_000)
    assert 3e6 < len(large.data) < 5e6
    assert small.data == small_picture().data
    assert large.data == large_picture().data


@contextmanager
def answering(status: int, answer: Callable[[bytes], object]) -> Iterator[Server]:
    """A server that gives the ``answer`` to each body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.dumps(answer(self.rfile.read(int(self.headers["Content-Length"])))).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/predict"
        yield Server(psutil.Process().pid, url, raw, thread.is_alive)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def net() -> Classifier:
    return Classifier.load(ARCHIVE)


def shifted(answer: dict[str, Any], difference: float) -> dict[str, Any]:
    probabilities = dict(answer["probabilities"])
    probabilities["cat"] += difference
    return {**answer, "probabilities": probabilities}


def test_a_server_with_right_answers_is_accepted(net: Classifier) -> None:
    question = questions()[0]
    with answering(200, lambda body: shifted(net.classify(body), 0.005)) as server:
        assert largest_difference(server, [question], net) == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("difference", "label", "name"),
    [(0.02, "ship", "png"), (0.06, "ship", "jpeg"), (0.0, "cat", "jpeg")],
)
def test_a_server_with_wrong_answers_is_refused(
    net: Classifier, difference: float, label: str, name: str
) -> None:
    small = small_picture()
    picture = replace(small, name=name, tolerance=0.05 if name == "jpeg" else small.tolerance)
    answer = shifted(net.classify(picture.data), difference) | {"label": label}
    with (
        answering(200, lambda _body: answer) as server,
        pytest.raises(ProgramError, match="its answers are wrong"),
    ):
        largest_difference(server, [picture], net)


@pytest.mark.parametrize("given", [{}, {"probabilities": {"cat": 1.0}}])
def test_an_answer_without_the_classes_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ProgramError, match="lack the probabilities"):
        compare_answers(given, {"probabilities": {"cat": 0.5, "dog": 0.5}})


def test_a_probability_that_is_no_number_is_no_small_difference() -> None:
    wanted = {"probabilities": {"cat": 1.0}}
    assert compare_answers({"probabilities": {"cat": float("nan")}}, wanted) == float("inf")


def test_a_picture_is_sent_as_its_server_takes_it() -> None:
    picture = small_picture().data
    assert raw(picture)[0] == picture
    document = json.loads(base64_json(picture)[0])
    assert base64.b64decode(document["image"]) == picture
    form, headers = multipart(picture)
    assert picture in form
    assert b"Content-Type: image/png" in form
    assert headers["Content-Type"].startswith("multipart/form-data; boundary=")


@needs_wrk
def test_answers_that_are_errors_fail_a_server() -> None:
    options = serving.parse_options(["--only", "ours"])
    with (
        answering(503, lambda _body: {}) as server,
        pytest.raises(ProgramError, match=r"errors under load: \d+ status"),
    ):
        serving.load_without_errors(server, small_picture(), options.connections[0], 1)


def test_a_server_is_idle_once_it_has_done_what_was_left_to_do(tmp_path: Path) -> None:
    done = tmp_path / "done"
    program = f"""
import pathlib, time
while time.process_time() < 1.5:
    pass
pathlib.Path({str(done)!r}).touch()
time.sleep(600)
"""
    with running([sys.executable, "-c", program], {}) as process:
        time.sleep(0.2)
        wait_until_idle(Server(process.pid, "", raw, lambda: True))
        assert done.exists()


@needs_wrk
def test_the_body_and_the_headers_arrive_as_they_are() -> None:
    seen: set[tuple[bytes, str | None]] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.add((body, self.headers["Authorization"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    body = bytes(range(256)) * 100
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        request = Request(
            f"http://127.0.0.1:{server.server_port}/", body, {"Authorization": 'a "b"'}
        )
        load = put_load(request, 2, 1)
        server.shutdown()
    assert seen == {(body, 'a "b"')}
    assert load.requests > 0


def test_without_wrk_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match="apt-get install wrk"):
        find_wrk()
    assert serving.main(["--output", str(tmp_path / "result.md")]) == 2
    error = capsys.readouterr().err
    assert "apt-get install wrk" in error
    assert error.count("\n") == 1


def test_a_server_that_fails_is_told_of_with_its_last_lines(tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    program = f"""
import pathlib, time
print("one\\ntwo", flush=True)
pathlib.Path({str(printed)!r}).touch()
time.sleep(600)
"""
    pids = []

    def fail() -> None:
        with running([sys.executable, "-c", program], {}) as process:
            pids.append(process.pid)
            while not printed.exists():
                time.sleep(0.01)
            raise ProgramError("no answer")

    with pytest.raises(ProgramError, match="no answer\none\ntwo"):
        fail()
    assert not psutil.pid_exists(pids[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "somebody"], "--only"),
        (["--pictures", "gif"], "--pictures"),
        (["--connections", "0"], "at least 1"),
        (["--seconds", "0"], "at least 1"),
        (["--rounds", "many"], "at least 1"),
        (["--output", "result.txt"], "end in .md"),
        (["--output", str(PROJECT / "README.md")], "exists already"),
    ],
)
def test_a_wrong_value_is_one_clear_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        serving.parse_options(arguments)
    error = capsys.readouterr().err
    assert exit_.value.code == 2
    assert message in error
    assert error.count("\n") == 1


def test_help_explains_every_option() -> None:
    for action in serving.create_parser()._actions:  # noqa: SLF001
        assert action.help is not None, action.option_strings
        assert len(action.help) > 12, action.option_strings


@needs_wrk
def test_ours_is_started_checked_loaded_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "results" / "trial.md"
    arguments = ["--only", "ours", "--pictures", "png", "--connections", "2", "--rounds", "1"]
    assert (
        serving.main([*arguments, "--seconds", "1", "--warm-up", "1", "--output", str(output)]) == 0
    )
    document = json.loads(output.with_suffix(".json").read_text())
    (run,) = document["servers"][0]["runs"]
    (load,) = run["loads"]["png"]
    assert load["requests"] > 0
    assert load["errors"] == {}
    assert run["difference"] < 0.01
    assert run["peak_memory"] >= run["memory_at_rest"] > 100 * MEBIBYTE
    assert output.read_text() in capsys.readouterr().out


@needs_wrk
def test_a_server_that_fails_leaves_the_others_their_turn(
    net: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def start_wrong(_net: Path) -> Iterator[Server]:
        with answering(200, lambda _body: net.classify(questions()[0].data)) as server:
            yield server

    @contextmanager
    def start_right(_net: Path) -> Iterator[Server]:
        with answering(200, net.classify) as server:
            yield server

    contestants = [
        Contestant("wrong", "wrong", start_wrong),
        Contestant("right", "right", start_right),
    ]
    arguments = ["--connections", "1", "--seconds", "1", "--warm-up", "1", "--rounds", "2"]
    options = serving.parse_options(arguments)
    runs, failures = serving.run_rounds(contestants, [small_picture()], options, tmp_path)
    assert {name: len(values) for name, values in runs.items()} == {"wrong": 0, "right": 2}
    assert list(failures) == ["wrong"]
    assert "wrong failed: its answers are wrong" in capsys.readouterr().err
