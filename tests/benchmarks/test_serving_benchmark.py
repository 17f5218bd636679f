"""What the serving benchmark makes of its measurements, and one real load."""

import json
import os
import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from benchmarks.common.programs import ProgramError
from benchmarks.common.server import ARCHIVES, Request, Server
from benchmarks.serving import __main__ as serving
from benchmarks.serving.__main__ import (
    COMMAND,
    PICTURES,
    Run,
    check_answer,
    load_without_errors,
    make_report,
)
from benchmarks.serving.wrk import ERRORS, Load, parse_output
from model.inference.classifier import Classifier

NOTHING = dict.fromkeys(("p50", "p99", "requests", "duration", *ERRORS), 0)
PNG = PICTURES["png"]()


def wrk_output(**measured: int) -> str:
    usual = {"p50": 1500, "p99": 20000, "requests": 1000, "duration": 2000000}
    return f"Requests/sec: 500.00\n{json.dumps({**NOTHING, **usual, **measured})}\n"


def make_run(p50: float, rate: float) -> Run:
    return Run(5.0, 1e-6, 2**20, 2**21, {PNG.label: [Load(8, p50, 3 * p50, rate, {})]})


def test_wrk_tells_times_requests_and_every_kind_of_error() -> None:
    assert parse_output(wrk_output(), 8) == Load(8, 0.0015, 0.02, 500.0, {})
    for kind in ERRORS:
        assert parse_output(wrk_output(**{kind: 3}), 8).errors == {kind: 3}
    with pytest.raises(ProgramError, match="nothing was answered"):
        parse_output(wrk_output(requests=0), 8)


def test_the_tables_hold_medians_ratios_and_every_server() -> None:
    options = COMMAND.parse(["--output", "trial.md", "--connections", "8"])
    options.only = ["ours", "fastapi", "fastapi-int8"]
    rounds = [make_run(0.001, 400), make_run(0.002, 600), make_run(0.009, 100)]
    runs = {"ours": rounds, "fastapi": [make_run(0.004, 50)]}
    text = make_report(options, [PNG], runs, {"fastapi-int8": "3 status"}).to_markdown()
    assert "| 8 | ours, TorchServe | 2.00 ms | 6.00 ms | 400.0 |" in text
    peer = "FastAPI and ONNX Runtime, 2 processes"
    assert f"| 8 | {peer} | 4.00 ms | 12.00 ms | 50.0 | 0.50 | 0.50 | 8.00 |" in text
    assert f"| {peer} | 1 MiB | 2 MiB | 5.0 s | 1e-06 |" in text
    assert f"| 8 | {peer}, on our quantised graph | failed |" in text


@pytest.mark.parametrize(
    ("difference", "label", "right"),
    [
        (0.005, "ship", True),
        (0.02, "ship", False),
        (float("nan"), "ship", False),
        (0.0, "cat", False),
    ],
)
def test_a_server_with_wrong_answers_is_refused(
    monkeypatch: pytest.MonkeyPatch, difference: float, label: str, *, right: bool
) -> None:
    network = Classifier.load(ARCHIVES["1.0"])
    answer: dict[str, Any] = network.classify(PNG.data) | {"label": label}
    answer["probabilities"]["cat"] += difference
    monkeypatch.setattr(serving, "ask", lambda _request: answer)
    server = Server(0, lambda body: Request("", body, {}))
    if right:
        assert check_answer(server, PNG, network) == pytest.approx(difference)
        return
    with pytest.raises(ProgramError, match="its answers are wrong"):
        check_answer(server, PNG, network)
    answer["probabilities"].pop("cat")
    with pytest.raises(ProgramError, match="lack the probabilities"):
        check_answer(server, PNG, network)


@pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk: sudo apt-get install wrk")
def test_a_load_sends_the_picture_and_errors_fail_the_server() -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.headers["Authorization"] == 'a "b"'
            right = self.rfile.read(int(self.headers["Content-Length"])) == PNG.data
            self.send_response(200 if right else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever).start()
        url, headers = f"http://127.0.0.1:{http.server_port}/", {"Authorization": 'a "b"'}
        server = Server(os.getpid(), lambda body: Request(url, body, headers))
        try:
            assert load_without_errors(server, PNG, 2, 1).requests_per_second > 0
            with pytest.raises(ProgramError, match=r"errors under load: .'status'"):
                load_without_errors(server, PNG._replace(data=b"other"), 2, 1)
        finally:
            http.shutdown()
